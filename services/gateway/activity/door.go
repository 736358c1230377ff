package activity

import (
	"sync"

	"quadrille/pkg/fault"
)

const (
	codeTooMany = "too_many_streams"
	codeFull    = "streams_full"
)

// door lets streams in, so many in all and so many for each caller.
type door struct {
	total, each int

	mu   sync.Mutex
	open int
	by   map[string]int
}

func newDoor(total, each int) *door { return &door{total: total, each: each, by: map[string]int{}} }

// enter counts a stream in until leave is called. An empty name is only counted
// among all.
func (d *door) enter(name string) (leave func(), err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if name != "" && d.by[name] >= d.each {
		return nil, fault.New(fault.Unavailable, codeTooMany, "you have %d streams open; close one first", d.each)
	}
	if d.open >= d.total {
		return nil, fault.New(fault.Unavailable, codeFull, "this instance has as many streams open as it takes; try again in a moment")
	}
	d.open++
	d.by[name]++
	return func() { d.leave(name) }, nil
}

func (d *door) leave(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open--
	if d.by[name]--; d.by[name] == 0 {
		delete(d.by, name)
	}
}

// name is what a caller's streams are counted under.
func (c Caller) name() string {
	switch {
	case c.Subject != "":
		return "subject " + c.Subject
	case c.Address != "":
		return "address " + c.Address
	default:
		return ""
	}
}
