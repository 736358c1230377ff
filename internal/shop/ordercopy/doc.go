// Package ordercopy keeps a service's own copies of sales' orders. It consumes all events about
// orders. The service says what it copies of an order, and stores it.
package ordercopy
