// Package sales takes orders, prices them from its own copy of catalog's products, and
// keeps the status of each.
//
// It publishes each change of an order's status. It consumes the events of inventory, to
// confirm or reject orders, and those of catalog, to copy prices. One request passes
// through api.go, service.go, order.go and store.go to the outbox; one consumed event
// starts in consume.go.
package sales
