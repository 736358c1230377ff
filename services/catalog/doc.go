// Package catalog knows what the shop offers and at what price, and shows
// whether it can be had, from its own copy of inventory's stock.
//
// It says that a product changed or was withdrawn, and follows inventory. The
// way of one event through it: api.go, service.go, product.go, store.go, then
// the outbox; and the other way round from consume.go.
package catalog
