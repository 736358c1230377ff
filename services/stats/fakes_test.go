package stats

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"testing"
	"time"

	"gorm.io/gorm"
	"pgregory.net/rapid"

	"quadrille/internal/platform/copies"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/events"
	salesclient "quadrille/services/sales/client"
)

// ordered is one line of an order at fakeSales, with the unit price in minor units.
type ordered struct {
	sku         string
	units, each int64
}

// sale is an order of fakeSales.
type sale struct {
	id, status, currency string
	placedAt             time.Time
	version              int64
	lines                []ordered
}

// fakeSales replaces sales, which is another process. It is not safe for concurrent use.
type fakeSales struct {
	orders map[string]sale
	down   error // returned by every call, if set
	calls  [][]string
}

func newSales() *fakeSales { return &fakeSales{orders: map[string]sale{}} }

// place places an order on a day and returns its event.
func (f *fakeSales) place(id, day, currency string, lines ...ordered) events.Event {
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		panic(err) // the test named an invalid day
	}
	f.orders[id] = sale{id: id, status: "placed", currency: currency, placedAt: at.Add(12 * time.Hour), version: 1, lines: lines}
	return events.OrderChanged(events.SalesOrderPlaced, id, 1)
}

// move changes the status of an order and returns its event.
func (f *fakeSales) move(id, status string) events.Event {
	o := f.orders[id]
	o.status = status
	o.version++
	f.orders[id] = o
	return events.OrderChanged("sales.order_"+status, id, o.version)
}

// Orders returns the orders with the IDs. It omits unknown IDs.
func (f *fakeSales) Orders(_ context.Context, ids []string) (found []salesclient.Order, err error) {
	if len(ids) > 0 { // the real client makes no call without IDs
		f.calls = append(f.calls, ids)
	}
	for _, id := range ids {
		if o, ok := f.orders[id]; ok {
			found = append(found, o.model())
		}
	}
	return found, f.down
}

// AllOrders iterates over all orders, sorted by ID.
func (f *fakeSales) AllOrders(context.Context) iter.Seq2[salesclient.Order, error] {
	return func(yield func(salesclient.Order, error) bool) {
		for _, id := range slices.Sorted(maps.Keys(f.orders)) {
			if !yield(f.orders[id].model(), f.down) {
				return
			}
		}
	}
}

// model returns the order as the client returns it.
func (o sale) model() salesclient.Order {
	price := func(minor int64) salesclient.Money {
		return salesclient.Money{Amount: fmt.Sprintf("%d.%02d", minor/100, minor%100), Currency: o.currency}
	}
	m := salesclient.Order{Id: o.id, Status: salesclient.OrderStatus(o.status), Version: o.version, PlacedAt: o.placedAt, UpdatedAt: o.placedAt}
	total := int64(0)
	for _, l := range o.lines {
		total += l.units * l.each
		m.Lines = append(m.Lines, salesclient.OrderLine{Sku: l.sku, Title: title(l.sku), Quantity: l.units, Price: price(l.each)})
	}
	m.Total = price(total)
	return m
}

func title(code string) string { return "Title of " + code }

// each runs test with a service and an empty fakeSales on each database.
func each(t *testing.T, test func(t *testing.T, s *Service, sales *fakeSales)) {
	t.Helper()
	dbtest.Each(t, Name, migrations, func(t *testing.T, conn *gorm.DB) { test(t, serviceOn(conn), newSales()) })
}

func serviceOn(conn *gorm.DB) *Service { return &Service{store: &store{db: conn}} }

func follower(s *Service, sales *fakeSales) *copies.Copies[salesclient.Order, Order] {
	return orderCopies(s.store, sales)
}

// deliver calls the handler with a batch, as a consumer does.
func deliver(s *Service, sales *fakeSales, batch ...events.Event) error {
	ctx, f := context.Background(), follower(s, sales)
	fetched, err := f.Fetch(ctx, batch)
	if err != nil {
		return err
	}
	return s.store.db.Transaction(func(tx *gorm.DB) error { return f.Apply(ctx, tx, batch, fetched) })
}

// follow calls deliver and fails the test on an error.
func follow(t rapid.TB, s *Service, sales *fakeSales, batch ...events.Event) {
	t.Helper()
	if err := deliver(s, sales, batch...); err != nil {
		t.Fatal(err)
	}
}
