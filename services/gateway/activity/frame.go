package activity

import "time"

// told is a note on its way to browsers, written out once for all who see it.
type told struct {
	Note

	past     bool   // it happened before there were notes
	frame    []byte // for those who may know what it followed from
	discreet []byte // for the others; nil: frame is for everybody
}

// body is what a stream says of a note.
type body struct {
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
func (o origin) tell(n Note) *told {
	b := body{
		Seq: n.Seq, ID: n.EventID, Type: n.Type, Service: n.Stream, Subject: n.Subject, Version: n.Version,
		Customer: n.Customer, Correlation: n.Correlation, Causation: n.Causation, Time: n.Time.UTC(), Href: n.href(),
	}
	t := &told{Note: n, past: n.Time.Before(o.Born), frame: o.frame(n.Type, n.Seq, b)}
	if n.othersDoing() {
		b.Correlation, b.Causation = "", ""
		t.discreet = o.frame(n.Type, n.Seq, b)
	}
	return t
}

// tellAll writes notes out.
func (o origin) tellAll(notes []Note) []*told {
	all := make([]*told, len(notes))
	for i, n := range notes {
		all[i] = o.tell(n)
	}
	return all
}

// frameFor is the note as the caller may know it.
func (t *told) frameFor(c Caller) []byte {
	if t.discreet != nil && !c.wide() {
		return t.discreet
	}
	return t.frame
}
