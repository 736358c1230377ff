package activity

import "time"

// rendered is an activity encoded as a server-sent event, once for all streams.
type rendered struct {
	Activity

	beforeOrigin bool   // it happened before the recording began
	frame        []byte // with its cause
	withoutCause []byte // for unprivileged callers; nil: frame is for everybody
}

// eventData is the JSON document of an activity in a stream.
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

// render encodes an activity.
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

// renderAll encodes activities.
func (o origin) renderAll(activities []Activity) []*rendered {
	all := make([]*rendered, len(activities))
	for i, n := range activities {
		all[i] = o.render(n)
	}
	return all
}

// frameFor returns the frame that the caller may see.
func (t *rendered) frameFor(c Caller) []byte {
	if t.withoutCause != nil && !c.privileged() {
		return t.withoutCause
	}
	return t.frame
}
