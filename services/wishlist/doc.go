// Package wishlist knows who waits for what, and notices when it is there again,
// from its own copy of inventory's stock.
//
// It says that something was wished for, and that it can be had now; it follows
// inventory. The way of one event through it: api.go, service.go, item.go,
// store.go, then the outbox; and the other way round from consume.go.
package wishlist
