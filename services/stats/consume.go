package stats

import (
	"context"
	"fmt"
	"iter"
	"time"

	"quadrille/internal/platform/copies"
	"quadrille/pkg/events"
	"quadrille/pkg/money"
	salesclient "quadrille/services/sales/client"
)

// orderSource returns orders; sales' client implements it.
type orderSource interface {
	Orders(ctx context.Context, ids []string) ([]salesclient.Order, error)
	AllOrders(ctx context.Context) iter.Seq2[salesclient.Order, error]
}

// orderEvents returns the types of all events about orders.
func orderEvents() []string {
	return []string{
		events.SalesOrderPlaced, events.SalesOrderConfirmed, events.SalesOrderRejected,
		events.SalesOrderCancelled, events.SalesOrderShipped,
	}
}

// orderCopies keeps copies of sales' orders.
func orderCopies(s *store, sales orderSource) *copies.Copies[salesclient.Order, Order] {
	return &copies.Copies[salesclient.Order, Order]{
		Get: sales.Orders, All: sales.AllOrders, Copy: orderOf, Store: s,
		Named: func(o salesclient.Order) events.Event {
			return events.OrderChanged(events.SalesOrderPlaced, o.Id, o.Version)
		},
		Gone: func(id string, version int64) events.Event {
			return events.OrderChanged(events.SalesOrderCancelled, id, version)
		},
	}
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
