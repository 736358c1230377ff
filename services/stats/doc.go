// Package stats knows what was sold, in figures, from its own copy of sales'
// orders. It is the service that joined late: it began at the first event of a
// history that was long there.
//
// It says nothing itself; it follows sales. It is the smallest complete example of
// a service (docs/add-a-service.md). The way of one event through it: consume.go,
// store.go; of a question: api.go, service.go, store.go.
package stats
