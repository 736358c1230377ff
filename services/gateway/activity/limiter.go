package activity

import (
	"sync"

	"quadrille/pkg/fault"
)

const (
	codeTooMany = "too_many_streams"
	codeFull    = "streams_full"
)

// limiter lets streams in, so many in all and so many for each caller.
type limiter struct {
	max, maxPerCaller int

	mu       sync.Mutex
	open     int
	byCaller map[string]int
}

func newLimiter(total, each int) *limiter {
	return &limiter{max: total, maxPerCaller: each, byCaller: map[string]int{}}
}

// acquire counts a stream in until leave is called. An empty name is only counted
// among all.
func (d *limiter) acquire(name string) (leave func(), err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if name != "" && d.byCaller[name] >= d.maxPerCaller {
		return nil, fault.New(fault.Unavailable, codeTooMany, "you have %d streams open; close one first", d.maxPerCaller)
	}
	if d.open >= d.max {
		return nil, fault.New(fault.Unavailable, codeFull, "this instance has as many streams open as it takes; try again in a moment")
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

// limiterKey is what a caller's streams are counted under.
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
