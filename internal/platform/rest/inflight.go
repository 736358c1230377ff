package rest

import (
	"sync"

	"quadrille/pkg/fault"
)

// InFlight is the requests that are being worked on, by idempotency key. The
// zero InFlight is ready to use; it is safe for concurrent use.
type InFlight struct {
	keys sync.Map
}

// Begin takes the key, until done is called. While another request has it, it is
// a Conflict.
func (f *InFlight) Begin(key string) (done func(), err error) {
	if _, taken := f.keys.LoadOrStore(key, struct{}{}); taken {
		return nil, ErrInFlight()
	}
	return func() { f.keys.Delete(key) }, nil
}

// ErrInFlight returns the fault of a request whose twin is not answered yet.
func ErrInFlight() error {
	return fault.New(fault.Conflict, "request_in_flight", "a request with this idempotency key is being worked on; ask again in a moment")
}
