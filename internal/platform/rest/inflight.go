package rest

import (
	"sync"

	"quadrille/pkg/fault"
)

// InFlight has the idempotency keys of the requests in progress. The zero InFlight is empty.
// It is safe for concurrent use.
type InFlight struct {
	keys sync.Map
}

// Begin reserves the key until done is called. It returns a Conflict fault while another
// request has the key.
func (f *InFlight) Begin(key string) (done func(), err error) {
	if _, taken := f.keys.LoadOrStore(key, struct{}{}); taken {
		return nil, ErrInFlight()
	}
	return func() { f.keys.Delete(key) }, nil
}

// ErrInFlight returns the fault for a request whose idempotency key is in use.
func ErrInFlight() error {
	return fault.New(fault.Conflict, "request_in_flight", "a request with this idempotency key is in progress; try again in a moment")
}
