// Package pending matches replies to the calls that wait for them.
package pending

import (
	"sync"
	"time"
)

// UnservedAfter is the interval at which the transport of a waiting call checks whether a
// server consumes the queue. It fails the call after two checks in a row without one, so
// that a restart does not fail calls.
const UnservedAfter = time.Second

// Result is the reply to a call, or the reason why there will be none.
type Result struct {
	Reply []byte
	Err   error
}

// Call is a call in progress.
type Call struct {
	ID    string
	Queue string // the queue or list that the request went to
	since time.Time
	done  chan Result // of size 1
}

// New returns a call that starts now. A notification has an empty ID.
func New(id, queue string) *Call {
	return &Call{ID: id, Queue: queue, since: time.Now(), done: make(chan Result, 1)}
}

// Done delivers the result, once.
func (c *Call) Done() <-chan Result { return c.done }

// Finish hands over the result. It is called once for each Call.
func (c *Call) Finish(r Result) { c.done <- r }

// Calls holds the calls in progress by ID. The zero Calls is empty. It is safe for
// concurrent use.
type Calls struct {
	mu     sync.Mutex
	byID   map[string]*Call
	closed bool
}

// Add registers a call. It returns false after Close.
func (c *Calls) Add(call *Call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	if c.byID == nil {
		c.byID = map[string]*Call{}
	}
	c.byID[call.ID] = call
	return true
}

// Remove forgets a call that no longer waits.
func (c *Calls) Remove(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byID, id)
}

// Deliver finishes the call with that ID and reports whether there was one. It drops
// late replies.
func (c *Calls) Deliver(id string, r Result) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	call := c.byID[id]
	if call == nil {
		return false
	}
	delete(c.byID, id)
	call.Finish(r)
	return true
}

// Len returns the number of calls in progress.
func (c *Calls) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.byID)
}

// Waiting returns the queues of all calls that have waited for UnservedAfter.
func (c *Calls) Waiting() map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	queues := map[string]bool{}
	for _, call := range c.byID {
		if call.overdue() {
			queues[call.Queue] = true
		}
	}
	return queues
}

// FailWaiting finishes with err all calls to queue that have waited for UnservedAfter.
func (c *Calls) FailWaiting(queue string, err error) {
	c.fail(err, func(call *Call) bool { return call.Queue == queue && call.overdue() })
}

// FailAll finishes every call with err.
func (c *Calls) FailAll(err error) { c.fail(err, func(*Call) bool { return true }) }

// Close forgets all calls, without finishing them, and refuses new ones.
func (c *Calls) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed, c.byID = true, nil
}

func (c *Calls) fail(err error, affected func(*Call) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, call := range c.byID {
		if affected(call) {
			delete(c.byID, id)
			call.Finish(Result{Err: err})
		}
	}
}

func (c *Call) overdue() bool { return time.Since(c.since) >= UnservedAfter }
