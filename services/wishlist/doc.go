// Package wishlist keeps the SKUs that customers wait for, and detects when one becomes
// available, from its own copy of inventory's stock.
//
// It publishes that a customer wished for a SKU and that a wished SKU became available. It
// consumes inventory's changes of stock. One request passes through api.go, service.go,
// item.go and store.go to the outbox; one consumed event starts in consume.go.
package wishlist
