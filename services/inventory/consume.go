package inventory

import (
	"context"
	"iter"

	"quadrille/pkg/consumer"
	"quadrille/pkg/events"
	salesclient "quadrille/services/sales/client"
)

// orderSource is what inventory asks sales for.
type orderSource interface {
	Orders(ctx context.Context, ids []string) ([]salesclient.Order, error)
	AllOrders(ctx context.Context) iter.Seq2[salesclient.Order, error]
}

// orderEvents returns the events of sales that move stock.
func orderEvents() []string {
	return []string{events.SalesOrderPlaced, events.SalesOrderCancelled, events.SalesOrderShipped}
}

// orderFollower allocates, releases and ships what sales' orders ask for.
type orderFollower struct {
	store *store
	sales orderSource
}

// Fetch asks sales how the orders are now. One that was followed as far as its
// events tell needs no call.
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

// Apply brings the allocations to where the orders are.
func (f *orderFollower) Apply(ctx context.Context, tx consumer.Tx, batch []events.Event, orders []Order) error {
	return f.store.follow(ctx, tx, orders, consumer.Newest(batch))
}

// List names every order that sales has.
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
