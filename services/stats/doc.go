// Package stats returns sales figures from its own copy of sales' orders. It was added after
// the other services and replayed the whole history of sales from the first event.
//
// It consumes the events of sales and publishes none. It is the smallest complete example of
// a service (docs/add-a-service.md). An event passes through consume.go and store.go, a
// request through api.go, service.go and store.go.
package stats
