package activity

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"quadrille/pkg/fault"
)

// Traces is GET /api/v1/ops/traces: what followed from what, by subject or by
// correlation, causes first. Who may ask is the caller's business.
func (l *Service) Traces() http.Handler { return handler(l.cfg.Log, l.traces) }

// maxTraced is how many events a trace has at the most.
const maxTraced = 200

// traceItem is what a trace says of a note.
type traceItem struct {
	Seq         int64     `json:"seq"`
	ID          string    `json:"id"`
	Type        string    `json:"type"`
	Service     string    `json:"service"`
	Subject     string    `json:"subject"`
	Version     int64     `json:"version"`
	Correlation string    `json:"correlation"`
	Causation   string    `json:"causation"`
	Time        time.Time `json:"time"`
	SeenAt      time.Time `json:"seen_at"`
}

func (l *Service) traces(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	subject, correlation := query.Get("subject"), query.Get("correlation")
	if (subject == "") == (correlation == "") {
		return fault.New(fault.Malformed, "trace_of_what", "a trace is either of a subject or of a correlation").
			With("#/query/subject", "either this or correlation is required")
	}
	limit, err := intParam(query, "limit", maxTraced, maxTraced)
	if err != nil {
		return err
	}
	var notes []Activity
	if subject != "" {
		notes, err = l.store.about(r.Context(), subject, limit)
	} else {
		notes, err = l.store.correlated(r.Context(), correlation, limit)
	}
	if err != nil {
		return err
	}
	writeDocument(w, r, map[string]any{"items": newTraceItems(notes)})
	return nil
}

func newTraceItems(notes []Activity) []traceItem {
	items := make([]traceItem, len(notes))
	for i, n := range causesFirst(notes) {
		items[i] = traceItem{
			Seq: n.Seq, ID: n.EventID, Type: n.Type, Service: n.Stream, Subject: n.Subject, Version: n.Version,
			Correlation: n.Correlation, Causation: n.Causation, Time: n.Time.UTC(), SeenAt: n.SeenAt.UTC(),
		}
	}
	return items
}

// causesFirst is the notes by the time at which they happened, but none before what
// it followed from: clocks of machines differ, and the streams are noted apart.
func causesFirst(notes []Activity) []Activity {
	slices.SortFunc(notes, func(a, b Activity) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Seq, b.Seq)) })
	byID := make(map[string]Activity, len(notes))
	for _, n := range notes {
		byID[n.EventID] = n
	}
	ordered := make([]Activity, 0, len(notes))
	var add func(n Activity)
	add = func(n Activity) {
		if _, waits := byID[n.EventID]; !waits {
			return
		}
		delete(byID, n.EventID) // first, so that a circle ends
		if cause, waits := byID[n.Causation]; waits {
			add(cause)
		}
		ordered = append(ordered, n)
	}
	for _, n := range notes {
		add(n)
	}
	return ordered
}

// intParam is a number of the query, from 1 to most.
func intParam(query url.Values, name string, otherwise, most int) (int, error) {
	text := query.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return 0, fault.New(fault.Malformed, "request_malformed", "the request cannot be read; errors says where").
			With("#/query/"+name, "%.40q is no whole number", text)
	case n < 1 || n > most:
		return 0, fault.New(fault.Invalid, "request_invalid", "the request breaks the rules of this API; errors says where").
			With("#/query/"+name, "must be from 1 to %d", most)
	}
	return n, nil
}
