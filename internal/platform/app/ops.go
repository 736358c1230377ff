package app

import (
	"context"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"quadrille/internal/platform/ops"
	"quadrille/internal/platform/rest"
	"quadrille/pkg/bus"
	"quadrille/pkg/deadletter"
	"quadrille/pkg/outbox"
)

// ops returns the data behind the common endpoints of a service.
func (u *unit) ops(metrics *prometheus.Registry) rest.Ops {
	metrics.MustRegister(&collector{unit: u})
	return rest.Ops{
		Ready:         u.readiness.Results,
		Registry:      metrics,
		Metrics:       promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}),
		Feed:          u.feed,
		Subscriptions: u.subscriptions,
		Routes: func(e *echo.Echo) {
			u.deadRoutes(e)
			u.refusedRoutes(e)
			u.historyRoutes(e)
		},
	}
}

// feed returns the service's own events, from its outbox.
func (u *unit) feed(ctx context.Context, after int64, limit int) ([]rest.FeedItem, error) {
	rows, err := outbox.Feed(ctx, u.db, after, limit)
	items := make([]rest.FeedItem, len(rows))
	for i, r := range rows {
		items[i] = rest.FeedItem{ID: r.ID, Body: r.Body}
	}
	return items, err
}

// subscriptionsWithin bounds the answer of /subscriptions while the database hangs.
const subscriptionsWithin = 5 * time.Second

// subscriptions returns the progress of each reader, and the number of unsent events.
func (u *unit) subscriptions(ctx context.Context) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, subscriptionsWithin)
	defer cancel()
	own, err := u.outbox(ctx)
	if err != nil {
		return nil, err
	}
	dead, err := deadletter.Count(ctx, u.db, deadletter.Filter{State: deadletter.Open})
	if err != nil {
		return nil, err
	}
	answer := ops.Subscriptions{Items: []ops.Subscription{}, Outbox: own, DeadLetters: dead, Checks: u.readiness.Results(ctx)}
	for _, s := range u.statuses(ctx) {
		answer.Items = append(answer.Items, ops.Subscription{
			Subscriber: s.Subscriber, Stream: s.Stream, Position: offset(s.Position), End: offset(s.End),
			Lag: s.Lag, Replaying: s.Replaying, Resynced: s.Resynced, State: s.State, Error: s.Err,
		})
	}
	return answer, nil
}

// outbox returns the state of the outbox: events that are unsent or were refused.
func (u *unit) outbox(ctx context.Context) (own ops.Outbox, err error) {
	if u.relay == nil {
		return own, nil
	}
	waiting, err := u.relay.Waiting(ctx)
	if err != nil {
		return own, err
	}
	own.Refused, err = outbox.CountRefused(ctx, u.db, outbox.RefusedOpen)
	own.Unsent, own.Error = waiting.Unsent, u.relay.Status().Err
	return own, err
}

// statuses returns the status of each reader. On a standby instance it knows only what the
// database has.
func (u *unit) statuses(ctx context.Context) []bus.Status {
	all := make([]bus.Status, len(u.readers))
	for i, r := range u.readers {
		all[i] = r.Status(ctx)
		if !u.lease.Held() {
			all[i].State, all[i].Err = bus.StateStandby, ""
		}
	}
	return all
}
