// Package inventory knows what is in the house: how much of each SKU is there,
// how much of it is promised to which order, and how it came to be so.
//
// It says that the stock of a SKU changed and whether an order could be
// allocated; it follows sales, whose orders it allocates, releases and ships.
// The way of one event through it: api.go, service.go, sku.go or allocation.go,
// store.go, then the outbox; and the other way round from consume.go.
package inventory
