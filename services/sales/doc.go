// Package sales takes orders: it prices them from its own copy of catalog's
// products, keeps them, and follows what inventory does for them.
//
// It says what becomes of each order; it follows inventory, which allocates, and
// catalog, whose prices it copies. The way of one event through it: api.go,
// service.go, order.go, store.go, then the outbox; and the other way round from
// consume.go.
package sales
