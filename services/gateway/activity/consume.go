package activity

import (
	"context"
	"iter"
	"slices"
	"time"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/copies"
	"quadrille/pkg/consumer"
	"quadrille/pkg/events"
	salesclient "quadrille/services/sales/client"
)

// Sales returns orders by ID. It omits unknown IDs.
type Sales interface {
	Orders(ctx context.Context, ids []string) ([]salesclient.Order, error)
}

// Consumers returns a consumer for each stream. Only the instance that holds the lease
// runs them.
func (l *Service) Consumers(d app.Deps) ([]*consumer.Consumer, error) {
	var readers []*consumer.Consumer
	for _, stream := range l.cfg.Streams {
		cfg := d.Consumer(app.Gateway, stream, nil)
		committed := cfg.OnCommit
		cfg.OnCommit = func() {
			if committed != nil {
				committed()
			}
			l.tail.wake()
		}
		r, err := consumer.NewConverging(cfg, l.recorder())
		if err != nil {
			return nil, err
		}
		readers = append(readers, r)
	}
	return readers, nil
}

func (l *Service) recorder() *recorder {
	return &recorder{store: l.store, sales: l.cfg.Sales, keep: l.cfg.Keep}
}

// recorder records events.
type recorder struct {
	store *store
	sales Sales
	keep  time.Duration // older events are not recorded; 0: all are
}

// recording is the result of one batch.
type recording struct {
	activities []Activity
	missed     bool // events since the start of the recording were left out as too old
}

// Fetch converts the events to activities. It asks sales for the customers of orders
// that have no activity yet.
func (t *recorder) Fetch(ctx context.Context, batch []events.Event) (recording, error) {
	all, err := t.record(ctx, batch)
	if err != nil {
		return all, err
	}
	owners, err := t.customers(ctx, all.activities)
	if err != nil {
		return all, err
	}
	for i, n := range all.activities {
		if n.isOrder() {
			all.activities[i].Customer = owners[n.Subject]
		}
	}
	return all, nil
}

// Apply appends the activities within tx.
func (t *recorder) Apply(_ context.Context, tx consumer.Tx, _ []events.Event, all recording) error {
	if all.missed {
		if err := t.store.skipNumber(tx); err != nil {
			return err
		}
	}
	return t.store.append(tx, all.activities)
}

// List implements consumer.Lister. It yields no events: a list says what exists, not what
// happened. The history was cut or replaced, so activities may be missing: List skips
// a number, and a client that reads past it is reset.
func (t *recorder) List(ctx context.Context) iter.Seq2[events.Event, error] {
	return func(yield func(events.Event, error) bool) {
		if err := t.store.skipNumber(t.store.db.WithContext(ctx)); err != nil {
			yield(events.Event{}, err)
		}
	}
}

// record converts events to activities and leaves out those that pruning would already
// have deleted. An event that is read again, after a reset or because the history was
// published again, thus never gets a second activity.
func (t *recorder) record(ctx context.Context, batch []events.Event) (all recording, err error) {
	o, err := t.store.origin(ctx)
	for _, e := range batch {
		if e.Time.IsZero() {
			e.Time = time.Now() // the event has no time
		}
		switch {
		case t.keep == 0 || time.Since(e.Time) < t.keep:
			all.activities = append(all.activities, newActivity(e))
		case !e.Time.Before(o.Born):
			all.missed = true
		}
	}
	return all, err
}

// customers returns the customers of the orders, by ID. An order that sales does not
// know has none.
func (t *recorder) customers(ctx context.Context, activities []Activity) (map[string]string, error) {
	ids := orderIDs(activities)
	if len(ids) == 0 {
		return nil, nil
	}
	known, err := t.store.customers(ctx, ids)
	if err != nil {
		return nil, err
	}
	unknown := slices.DeleteFunc(ids, func(id string) bool { return known[id] != "" })
	if len(unknown) == 0 {
		return known, nil
	}
	found, err := t.sales.Orders(ctx, unknown)
	for _, o := range found {
		known[o.Id] = o.Customer
	}
	_, err = copies.Refused(err) // an order that sales refuses has no customer
	return known, err
}

// orderIDs returns the distinct orders among the activities.
func orderIDs(activities []Activity) (ids []string) {
	for _, n := range activities {
		if n.isOrder() {
			ids = append(ids, n.Subject)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
