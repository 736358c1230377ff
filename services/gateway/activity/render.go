package activity

import "time"

// rendered is a note on its way to browsers, written out once for all who see it.
type rendered struct {
	Activity

	beforeOrigin bool   // it happened before there were notes
	frame        []byte // for those who may know what it followed from
	withoutCause []byte // for the others; nil: frame is for everybody
}

// eventData is what a stream says of a note.
type eventData struct {
	Seq         int64     `json:"seq"`
	ID          string    `json:"id"`
	Type        string    `json:"type"`
	Service     string    `json:"service"`
	Subject     string    `json:"subject"`
	Version     int64     `json:"version"`
	Customer    string    `json:"customer,omitempty"`
	Correlation string    `json:"correlation,omitempty"`
	Causation   string    `json:"causation,omitempty"`
	Time        time.Time `json:"time"`
	Href        string    `json:"href"`
}

// tell writes a note out.
func (o origin) render(n Activity) *rendered {
	b := eventData{
		Seq: n.Seq, ID: n.EventID, Type: n.Type, Service: n.Stream, Subject: n.Subject, Version: n.Version,
		Customer: n.Customer, Correlation: n.Correlation, Causation: n.Causation, Time: n.Time.UTC(), Href: n.href(),
	}
	t := &rendered{Activity: n, beforeOrigin: n.Time.Before(o.Born), frame: o.frame(n.Type, n.Seq, b)}
	if n.hidesCause() {
		b.Correlation, b.Causation = "", ""
		t.withoutCause = o.frame(n.Type, n.Seq, b)
	}
	return t
}

// renderAll writes notes out.
func (o origin) renderAll(notes []Activity) []*rendered {
	all := make([]*rendered, len(notes))
	for i, n := range notes {
		all[i] = o.render(n)
	}
	return all
}

// frameFor is the note as the caller may know it.
func (t *rendered) frameFor(c Caller) []byte {
	if t.withoutCause != nil && !c.privileged() {
		return t.withoutCause
	}
	return t.frame
}
