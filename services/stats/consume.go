package stats

import (
	"context"
	"fmt"
	"iter"
	"time"

	"quadrille/pkg/consumer"
	"quadrille/pkg/events"
	"quadrille/pkg/money"
	salesclient "quadrille/services/sales/client"
)

// orderSource is what stats asks sales for.
type orderSource interface {
	Orders(ctx context.Context, ids []string) ([]salesclient.Order, error)
	AllOrders(ctx context.Context) iter.Seq2[salesclient.Order, error]
}

// orderEvents returns all that can befall an order.
func orderEvents() []string {
	return []string{
		events.SalesOrderPlaced, events.SalesOrderConfirmed, events.SalesOrderRejected,
		events.SalesOrderCancelled, events.SalesOrderShipped,
	}
}

// orderFollower keeps copies of sales' orders.
type orderFollower struct {
	store *store
	sales orderSource
}

// news is what sales answered: orders as they are now, and the IDs of those that
// it has no more.
type news struct {
	orders []Order
	gone   []string
}

// Fetch asks sales for the orders whose copies are behind.
func (f *orderFollower) Fetch(ctx context.Context, batch []events.Event) (news, error) {
	newest := consumer.Newest(batch)
	known, err := f.store.versions(ctx, consumer.Subjects(newest))
	if err != nil {
		return news{}, err
	}
	behind := consumer.Behind(newest, known)
	found, err := f.sales.Orders(ctx, behind)
	if err != nil {
		return news{}, err
	}
	return newsOf(behind, found)
}

// Apply keeps what sales answered.
func (f *orderFollower) Apply(_ context.Context, tx consumer.Tx, _ []events.Event, n news) error {
	return f.store.keep(tx, n.orders, n.gone)
}

// List names every order that sales has, and the copies of those it has no more.
func (f *orderFollower) List(ctx context.Context) iter.Seq2[events.Event, error] {
	orders := consumer.Named(f.sales.AllOrders(ctx), func(o salesclient.Order) events.Event {
		return events.OrderChanged(events.SalesOrderPlaced, o.Id, o.Version)
	})
	kept := func() (map[string]int64, error) { return f.store.versions(ctx, nil) }
	return consumer.Gone(orders, kept, func(id string, version int64) events.Event {
		return events.OrderChanged(events.SalesOrderCancelled, id, version)
	})
}

func newsOf(asked []string, found []salesclient.Order) (n news, err error) {
	there := make(map[string]bool, len(found))
	for _, o := range found {
		copied, err := orderOf(o)
		if err != nil {
			return news{}, err
		}
		n.orders, there[o.Id] = append(n.orders, copied), true
	}
	for _, id := range asked {
		if !there[id] {
			n.gone = append(n.gone, id)
		}
	}
	return n, nil
}

func orderOf(o salesclient.Order) (Order, error) {
	total, err := money.Parse(o.Total.Amount, o.Total.Currency)
	if err != nil {
		return Order{}, fmt.Errorf("total of order %s: %w", o.Id, err)
	}
	copied := Order{
		ID: o.Id, Status: string(o.Status), Currency: total.Currency, TotalMinor: total.Minor,
		Day: o.PlacedAt.UTC().Format(time.DateOnly), PlacedAt: o.PlacedAt.UTC(), Version: o.Version,
	}
	for _, l := range o.Lines {
		price, err := money.Parse(l.Price.Amount, l.Price.Currency)
		if err != nil {
			return Order{}, fmt.Errorf("price of %s in order %s: %w", l.Sku, o.Id, err)
		}
		copied.Units += l.Quantity
		copied.Lines = append(copied.Lines, Line{OrderID: o.Id, SKU: l.Sku, Title: l.Title, Units: l.Quantity, TotalMinor: price.Minor * l.Quantity})
	}
	return copied, nil
}
