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
func (i *instance) ops(metrics *prometheus.Registry) rest.Ops {
	metrics.MustRegister(&collector{instance: i})
	return rest.Ops{
		Ready:         i.readiness.Results,
		Registry:      metrics,
		Metrics:       promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}),
		Feed:          i.feed,
		Subscriptions: i.subscriptions,
		Routes: func(e *echo.Echo) {
			i.deadRoutes(e)
			i.refusedRoutes(e)
			i.historyRoutes(e)
		},
	}
}

// feed returns the service's own events, from its outbox.
func (i *instance) feed(ctx context.Context, after int64, limit int) ([]rest.FeedItem, error) {
	rows, err := outbox.Feed(ctx, i.db, after, limit)
	items := make([]rest.FeedItem, len(rows))
	for n, r := range rows {
		items[n] = rest.FeedItem{ID: r.ID, Body: r.Body}
	}
	return items, err
}

// subscriptionsWithin bounds the answer of /subscriptions while the database hangs.
const subscriptionsWithin = 5 * time.Second

// subscriptions returns the progress of each reader, and the number of unsent events.
func (i *instance) subscriptions(ctx context.Context) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, subscriptionsWithin)
	defer cancel()
	own, err := i.outbox(ctx)
	if err != nil {
		return nil, err
	}
	dead, err := deadletter.Count(ctx, i.db, deadletter.Filter{State: deadletter.Open})
	if err != nil {
		return nil, err
	}
	answer := ops.Subscriptions{Items: []ops.Subscription{}, Outbox: own, DeadLetters: dead, Checks: i.readiness.Results(ctx)}
	for _, s := range i.statuses(ctx) {
		answer.Items = append(answer.Items, ops.Subscription{
			Subscriber: s.Subscriber, Stream: s.Stream, Position: offset(s.Position), End: offset(s.End),
			Lag: s.Lag, Replaying: s.Replaying, Resynced: s.Resynced, State: s.State, Error: s.Err,
		})
	}
	return answer, nil
}

// outbox returns the state of the outbox: events that are unsent or were refused.
func (i *instance) outbox(ctx context.Context) (own ops.Outbox, err error) {
	if i.relay == nil {
		return own, nil
	}
	waiting, err := i.relay.Waiting(ctx)
	if err != nil {
		return own, err
	}
	own.Refused, err = outbox.CountRefused(ctx, i.db, outbox.RefusedOpen)
	own.Unsent, own.Error = waiting.Unsent, i.relay.Status().Err
	return own, err
}

// statuses returns the status of each reader. On a standby instance it knows only what the
// database has.
func (i *instance) statuses(ctx context.Context) []bus.Status {
	all := make([]bus.Status, len(i.readers))
	for n, r := range i.readers {
		all[n] = r.Status(ctx)
		if !i.lease.Held() {
			all[n].State, all[n].Err = bus.StateStandby, ""
		}
	}
	return all
}
