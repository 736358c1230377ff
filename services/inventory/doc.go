// Package inventory keeps the stock of each SKU, the quantities reserved for orders, and
// the receipts and adjustments that changed them.
//
// It publishes changes of stock and whether an order was allocated or rejected. It
// consumes the events of sales and allocates, releases and ships stock for its orders.
// The way of one event through it: api.go, service.go, sku.go or allocation.go,
// store.go, then the outbox; and the other way round from consume.go.
package inventory
