package activity

import (
	"context"
	"iter"
	"slices"
	"time"

	"quadrille/internal/app"
	"quadrille/pkg/bus"
	"quadrille/pkg/events"
	salesclient "quadrille/services/sales/client"
)

// Sales is what is asked of sales: those of the orders named that exist.
type Sales interface {
	Orders(ctx context.Context, ids []string) ([]salesclient.Order, error)
}

// streams are those that are read. Stats says nothing.
func streams() []string { return []string{"inventory", "catalog", "wishlist", "sales"} }

// Readers are what fills the notes, one for each stream. One instance runs them.
func (l *Service) Readers(d app.Deps) ([]*bus.Reader, error) {
	var readers []*bus.Reader
	for _, stream := range streams() {
		cfg := d.Reader(app.Gateway, stream, nil)
		committed := cfg.Committed
		cfg.Committed = func() {
			if committed != nil {
				committed()
			}
			l.tail.wake()
		}
		r, err := bus.NewReader(cfg, l.recorder())
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

// recorder takes notes.
type recorder struct {
	store *store
	sales Sales
	keep  time.Duration // what is older is not noted any more; 0: everything is
}

// recording is what a batch comes to.
type recording struct {
	activities []Activity
	missed     bool // some would have been news, and is too old by now
}

// Fetch makes notes of the events, and asks sales whose the orders are that no
// note tells of.
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

// Apply appends the notes.
func (t *recorder) Apply(_ context.Context, tx bus.Tx, _ []events.Event, all recording) error {
	if all.missed {
		if err := t.store.skipNumber(tx); err != nil {
			return err
		}
	}
	return t.store.append(tx, all.activities)
}

// List is bus.Lister's. It names nothing: a list says what there is, not what
// happened, and only that is noted. But history was cut or replaced, so something
// may be missing among the notes, and whoever comes to it is told.
func (t *recorder) List(ctx context.Context) iter.Seq2[events.Event, error] {
	return func(yield func(events.Event, error) bool) {
		if err := t.store.skipNumber(t.store.db.WithContext(ctx)); err != nil {
			yield(events.Event{}, err)
		}
	}
}

// record leaves out what would be pruned already. So whatever is read again, after
// a reset or because history was published anew, either has its note still or gets
// none: nobody is told last month's news.
func (t *recorder) record(ctx context.Context, batch []events.Event) (all recording, err error) {
	o, err := t.store.origin(ctx)
	for _, e := range batch {
		if e.Time.IsZero() {
			e.Time = time.Now() // it does not say
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

// customers is whose the orders are, by ID. One that sales does not have is nobody's.
func (t *recorder) customers(ctx context.Context, notes []Activity) (map[string]string, error) {
	ids := orderIDs(notes)
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
	return known, err
}

// orderIDs is the distinct orders that notes are of.
func orderIDs(notes []Activity) (ids []string) {
	for _, n := range notes {
		if n.isOrder() {
			ids = append(ids, n.Subject)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
