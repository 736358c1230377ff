package live

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
// correlation, oldest first. Who may ask is the caller's business.
func (l *Live) Traces() http.Handler { return answering(l.cfg.Log, l.traces) }

// mostTraced is how many events a trace has at the most.
const mostTraced = 200

// traced is what a trace says of a note.
type traced struct {
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

func (l *Live) traces(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	subject, correlation := query.Get("subject"), query.Get("correlation")
	if (subject == "") == (correlation == "") {
		return fault.New(fault.Malformed, "trace_of_what", "a trace is either of a subject or of a correlation").
			With("#/query/subject", "either this or correlation is required")
	}
	limit, err := whole(query, "limit", mostTraced, mostTraced)
	if err != nil {
		return err
	}
	var notes []Note
	if subject != "" {
		notes, err = l.store.about(r.Context(), subject, limit)
	} else {
		notes, err = l.store.correlated(r.Context(), correlation, limit)
	}
	if err != nil {
		return err
	}
	answer(w, r, map[string]any{"items": tracedOf(notes)})
	return nil
}

func tracedOf(notes []Note) []traced {
	slices.SortFunc(notes, func(a, b Note) int { return cmp.Compare(a.Seq, b.Seq) })
	items := make([]traced, len(notes))
	for i, n := range notes {
		items[i] = traced{
			Seq: n.Seq, ID: n.EventID, Type: n.Type, Service: n.Stream, Subject: n.Subject, Version: n.Version,
			Correlation: n.Correlation, Causation: n.Causation, Time: n.Time.UTC(), SeenAt: n.SeenAt.UTC(),
		}
	}
	return items
}

// whole is a number of the query, from 1 to most.
func whole(query url.Values, name string, otherwise, most int) (int, error) {
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
