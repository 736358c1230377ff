package inventory

import (
	"context"
	"iter"

	"quadrille/pkg/consumer"
	"quadrille/pkg/events"
	salesclient "quadrille/services/sales/client"
)

// orderSource returns orders from sales.
type orderSource interface {
	Orders(ctx context.Context, ids []string) ([]salesclient.Order, error)
	AllOrders(ctx context.Context) iter.Seq2[salesclient.Order, error]
}

// orderEvents returns the events of sales that move stock.
func orderEvents() []string {
	return []string{events.SalesOrderPlaced, events.SalesOrderCancelled, events.SalesOrderShipped}
}

// orderFollower allocates, releases and ships stock for the orders of sales.
type orderFollower struct {
	store *store
	sales orderSource
}

// Fetch reads the current orders from sales. It skips orders whose allocation already has
// the version of the event.
func (f *orderFollower) Fetch(ctx context.Context, batch []events.Event) ([]Order, error) {
	newest := consumer.Newest(batch)
	known, err := f.store.knownVersions(ctx, consumer.Subjects(newest))
	if err != nil {
		return nil, err
	}
	found, err := f.sales.Orders(ctx, consumer.Behind(newest, known))
	if err != nil {
		return nil, err
	}
	orders := make([]Order, len(found))
	for i, o := range found {
		orders[i] = orderOf(o)
	}
	return orders, nil
}

// Apply updates the allocations to the states of the orders.
func (f *orderFollower) Apply(ctx context.Context, tx consumer.Tx, batch []events.Event, orders []Order) error {
	return f.store.follow(ctx, tx, orders, consumer.Newest(batch))
}

// List yields an event for every order of sales.
func (f *orderFollower) List(ctx context.Context) iter.Seq2[events.Event, error] {
	return consumer.Named(f.sales.AllOrders(ctx), func(o salesclient.Order) events.Event {
		return events.OrderChanged(events.SalesOrderPlaced, o.Id, o.Version)
	})
}

func orderOf(o salesclient.Order) Order {
	lines := make([]Line, len(o.Lines))
	for i, l := range o.Lines {
		lines[i] = Line{SKU: l.Sku, Quantity: l.Quantity}
	}
	return Order{ID: o.Id, Version: o.Version, Status: string(o.Status), Lines: lines}
}
