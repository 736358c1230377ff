package activity

import (
	"sync"

	"quadrille/pkg/fault"
)

const (
	codeTooMany = "too_many_streams"
	codeFull    = "streams_full"
)

// limiter bounds the open streams of the instance and of each caller.
type limiter struct {
	max, maxPerCaller int

	mu       sync.Mutex
	open     int
	byCaller map[string]int
}

func newLimiter(total, each int) *limiter {
	return &limiter{max: total, maxPerCaller: each, byCaller: map[string]int{}}
}

// acquire counts a stream until release is called. An empty key counts for the
// instance alone. It returns a fault (Unavailable) where a limit is reached.
func (d *limiter) acquire(name string) (leave func(), err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if name != "" && d.byCaller[name] >= d.maxPerCaller {
		return nil, fault.New(fault.Unavailable, codeTooMany, "you have %d streams open; close one first", d.maxPerCaller)
	}
	if d.open >= d.max {
		return nil, fault.New(fault.Unavailable, codeFull, "this instance has reached its limit of open streams; try again in a moment")
	}
	d.open++
	d.byCaller[name]++
	return func() { d.release(name) }, nil
}

func (d *limiter) release(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open--
	if d.byCaller[name]--; d.byCaller[name] == 0 {
		delete(d.byCaller, name)
	}
}

// limiterKey returns the key that the caller's streams are counted by.
func (c Caller) limiterKey() string {
	switch {
	case c.Subject != "":
		return "subject " + c.Subject
	case c.Address != "":
		return "address " + c.Address
	default:
		return ""
	}
}
