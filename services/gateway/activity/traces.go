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

// Traces serves GET /api/v1/ops/traces: chains of events by subject or by correlation,
// causes first. The caller must authorize the request.
func (l *Service) Traces() http.Handler { return handler(l.cfg.Log, l.traces) }

// maxTraced bounds the events of a trace.
const maxTraced = 200

// traceItem is an activity in a trace.
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
		return fault.New(fault.Malformed, "trace_of_what", "request a trace either by subject or by correlation").
			With("#/query/subject", "exactly one of subject and correlation is required")
	}
	limit, err := intParam(query, "limit", maxTraced, maxTraced)
	if err != nil {
		return err
	}
	var activities []Activity
	if subject != "" {
		activities, err = l.store.about(r.Context(), subject, limit)
	} else {
		activities, err = l.store.correlated(r.Context(), correlation, limit)
	}
	if err != nil {
		return err
	}
	writeDocument(w, r, map[string]any{"items": newTraceItems(activities)})
	return nil
}

func newTraceItems(activities []Activity) []traceItem {
	items := make([]traceItem, len(activities))
	for i, n := range causesFirst(activities) {
		items[i] = traceItem{
			Seq: n.Seq, ID: n.EventID, Type: n.Type, Service: n.Stream, Subject: n.Subject, Version: n.Version,
			Correlation: n.Correlation, Causation: n.Causation, Time: n.Time.UTC(), SeenAt: n.SeenAt.UTC(),
		}
	}
	return items
}

// causesFirst orders activities by time, but none before its cause: clocks differ, and
// each stream is recorded on its own.
func causesFirst(activities []Activity) []Activity {
	slices.SortFunc(activities, func(a, b Activity) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Seq, b.Seq)) })
	byID := make(map[string]Activity, len(activities))
	for _, n := range activities {
		byID[n.EventID] = n
	}
	ordered := make([]Activity, 0, len(activities))
	var add func(n Activity)
	add = func(n Activity) {
		if _, waits := byID[n.EventID]; !waits {
			return
		}
		delete(byID, n.EventID) // before its cause is added, so that a cycle ends
		if cause, waits := byID[n.Causation]; waits {
			add(cause)
		}
		ordered = append(ordered, n)
	}
	for _, n := range activities {
		add(n)
	}
	return ordered
}

// intParam reads an integer from 1 to most from the query.
func intParam(query url.Values, name string, otherwise, most int) (int, error) {
	text := query.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return 0, fault.New(fault.Malformed, "request_malformed", "the request is malformed; see errors").
			With("#/query/"+name, "%.40q is not an integer", text)
	case n < 1 || n > most:
		return 0, fault.New(fault.Invalid, "request_invalid", "the request is invalid; see errors").
			With("#/query/"+name, "must be from 1 to %d", most)
	}
	return n, nil
}
