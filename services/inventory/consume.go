package inventory

import (
	"context"
	"iter"

	"quadrille/internal/platform/copies"
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

// orderCopies allocates, releases and ships what sales' orders ask for. An allocation holds
// the version of the order that it follows; it stays when sales does not have the order any
// more.
func orderCopies(s *store, sales orderSource) *copies.Copies[salesclient.Order, Order] {
	return &copies.Copies[salesclient.Order, Order]{
		Get: sales.Orders, All: sales.AllOrders, Store: s,
		Copy: func(o salesclient.Order) (Order, error) { return orderOf(o), nil },
		Named: func(o salesclient.Order) events.Event {
			return events.OrderChanged(events.SalesOrderPlaced, o.Id, followed(o))
		},
	}
}

// followed returns the lowest version of an order that its allocation must hold. Only a
// cancellation and a shipment change an allocation: of other orders, any version will do.
func followed(o salesclient.Order) int64 {
	switch o.Status {
	case "cancelled", "shipped":
		return o.Version
	default:
		return 1
	}
}

func orderOf(o salesclient.Order) Order {
	lines := make([]Line, len(o.Lines))
	for i, l := range o.Lines {
		lines[i] = Line{SKU: l.Sku, Quantity: l.Quantity}
	}
	return Order{ID: o.Id, Version: o.Version, Status: string(o.Status), Lines: lines}
}
