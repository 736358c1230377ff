package ordercopy

import (
	"context"
	"iter"

	"quadrille/internal/platform/copies"
	"quadrille/pkg/events"
	salesclient "quadrille/services/sales/client"
)

// Source returns orders; sales' client implements it.
type Source interface {
	Orders(ctx context.Context, ids []string) ([]salesclient.Order, error)
	AllOrders(ctx context.Context) iter.Seq2[salesclient.Order, error]
}

// Copies is the handler of sales' stream that New returns.
type Copies[T any] = copies.Copies[salesclient.Order, T]

// New returns a handler of sales' stream that keeps a copy of type T of each order in store.
// copyOf converts an order to its copy; an error makes the event a dead letter. The store
// deletes the copy of an order that sales no longer has.
func New[T any](sales Source, store copies.Store[T], copyOf func(salesclient.Order) (T, error)) *Copies[T] {
	return &Copies[T]{
		Get: sales.Orders, All: sales.AllOrders, Copy: copyOf, Store: store,
		Named: func(o salesclient.Order) events.Event {
			return events.OrderChanged(events.SalesOrderPlaced, o.Id, o.Version)
		},
		Gone: func(id string, version int64) events.Event {
			return events.OrderChanged(events.SalesOrderCancelled, id, version)
		},
	}
}

// Types returns the types of the events that change a copy: all events about orders.
func Types() []string {
	return []string{
		events.SalesOrderPlaced, events.SalesOrderConfirmed, events.SalesOrderRejected,
		events.SalesOrderCancelled, events.SalesOrderShipped, events.SalesOrderOverdue,
	}
}
