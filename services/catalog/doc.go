// Package catalog keeps the products that the shop offers, with their prices, and shows
// their availability from its own copy of inventory's stock.
//
// It publishes that a product changed or was withdrawn, and consumes inventory's changes of
// stock. One request passes through api.go, service.go, product.go and store.go to the
// outbox; one consumed event starts in consume.go.
package catalog
