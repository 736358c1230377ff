package app

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"quadrille/internal/db"
	"quadrille/internal/rest"
	"quadrille/pkg/outbox"
)

// ops is what the common endpoints of a service answer from.
func (u *unit) ops(metrics *prometheus.Registry) rest.Ops {
	metrics.MustRegister(&collector{unit: u})
	return rest.Ops{
		Ready:         u.ready,
		Registry:      metrics,
		Metrics:       promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}),
		Feed:          u.feed,
		Subscriptions: u.subscriptions,
	}
}

// ready says, part by part, whether the service can do its work.
func (u *unit) ready(ctx context.Context) []rest.Check {
	checks := []rest.Check{
		check("database", db.Ping(ctx, u.db)),
		check("log", u.shop.bus.State()),
	}
	for _, r := range u.readers {
		s := r.Status(ctx)
		checks = append(checks, rest.Check{Name: "reader " + s.Stream, OK: s.Err == "", Detail: s.State + detail(s.Err)})
	}
	return checks
}

func check(name string, err error) rest.Check {
	if err != nil {
		return rest.Check{Name: name, Detail: err.Error()}
	}
	return rest.Check{Name: name, OK: true}
}

func detail(err string) string {
	if err == "" {
		return ""
	}
	return ": " + err
}

// feed is the service's own events, from its outbox.
func (u *unit) feed(ctx context.Context, after int64, limit int) ([]rest.FeedItem, error) {
	rows, err := outbox.Feed(ctx, u.db, after, limit)
	items := make([]rest.FeedItem, len(rows))
	for i, r := range rows {
		items[i] = rest.FeedItem{ID: r.ID, Body: r.Body}
	}
	return items, err
}

// subscriptions is how far each reader is, and how much the outbox still holds.
type subscriptions struct {
	Items  []subscription `json:"items"`
	Outbox outboxDepth    `json:"outbox"`
}

type subscription struct {
	Subscriber string `json:"subscriber"`
	Stream     string `json:"stream"`
	Position   int64  `json:"position"` // offset of the event taken last; -1 before the first
	End        int64  `json:"end"`      // offset of the stream's last event; -1 where it has none
	Lag        int64  `json:"lag"`      // in offsets, which have gaps: at least the events left
	State      string `json:"state"`
	Error      string `json:"error,omitempty"`
}

type outboxDepth struct {
	Unsent int64  `json:"unsent"`
	Error  string `json:"error,omitempty"`
}

func (u *unit) subscriptions(ctx context.Context) (any, error) {
	unsent, _, err := outbox.Depth(ctx, u.db)
	if err != nil {
		return nil, err
	}
	answer := subscriptions{Items: []subscription{}, Outbox: outboxDepth{Unsent: unsent, Error: u.relay.Status().Err}}
	for _, r := range u.readers {
		s := r.Status(ctx)
		answer.Items = append(answer.Items, subscription{
			Subscriber: s.Subscriber, Stream: s.Stream, Position: offset(s.Position), End: offset(s.End),
			Lag: s.Lag, State: s.State, Error: s.Err,
		})
	}
	return answer, nil
}
