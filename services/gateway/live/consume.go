package live

import (
	"context"
	"slices"
	"time"

	"quadrille/internal/app"
	"quadrille/pkg/bus"
	"quadrille/pkg/events"
	salesclient "quadrille/services/sales/client"
)

// Orders is what is asked of sales: those of the orders named that exist.
type Orders interface {
	Orders(ctx context.Context, ids []string) ([]salesclient.Order, error)
}

// streams are those that are read. Stats says nothing.
func streams() []string { return []string{"inventory", "catalog", "wishlist", "sales"} }

// Readers are what fills the notes, one for each stream. One instance runs them.
func (l *Live) Readers(d app.Deps) ([]*bus.Reader, error) {
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
		r, err := bus.NewReader(cfg, l.taker())
		if err != nil {
			return nil, err
		}
		readers = append(readers, r)
	}
	return readers, nil
}

func (l *Live) taker() *taker {
	return &taker{store: l.store, orders: l.cfg.Orders, keep: l.cfg.Keep}
}

// taker takes notes. It is no bus.Lister: a list says what there is, not what
// happened, and only that is noted. After history was cut it reads on with what is
// left.
type taker struct {
	store  *store
	orders Orders
	keep   time.Duration // what is older is not noted any more; 0: everything is
}

// Fetch makes notes of the events, and asks sales whose the orders are that no
// note tells of.
func (t *taker) Fetch(ctx context.Context, batch []events.Event) ([]Note, error) {
	notes := t.notes(batch)
	owners, err := t.owners(ctx, notes)
	if err != nil {
		return nil, err
	}
	for i, n := range notes {
		if n.ofOrder() {
			notes[i].Customer = owners[n.Subject]
		}
	}
	return notes, nil
}

// Apply appends the notes.
func (t *taker) Apply(_ context.Context, tx bus.Tx, _ []events.Event, notes []Note) error {
	return t.store.append(tx, notes)
}

// notes leaves out what would be pruned already. So whatever is read again, after
// a reset or because history was published anew, either has its note still or gets
// none: nobody is told last month's news.
func (t *taker) notes(batch []events.Event) []Note {
	notes := make([]Note, 0, len(batch))
	for _, e := range batch {
		if e.Time.IsZero() {
			e.Time = time.Now() // it does not say
		}
		if t.keep == 0 || time.Since(e.Time) < t.keep {
			notes = append(notes, noteOf(e))
		}
	}
	return notes
}

// owners is whose the orders are, by ID. One that sales does not have is nobody's.
func (t *taker) owners(ctx context.Context, notes []Note) (map[string]string, error) {
	ids := ordersOf(notes)
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
	found, err := t.orders.Orders(ctx, unknown)
	for _, o := range found {
		known[o.Id] = o.Customer
	}
	return known, err
}

// ordersOf is the distinct orders that notes are of.
func ordersOf(notes []Note) (ids []string) {
	for _, n := range notes {
		if n.ofOrder() {
			ids = append(ids, n.Subject)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
