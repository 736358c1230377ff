package activity

import (
	"sync"
	"time"
)

// hub connects the streams of this instance with the ring they share: the tail pushes,
// the streams read. All methods are safe for concurrent use.
type hub struct {
	maxWaiting   int           // activities that may wait for a client before a hanging write is cut off
	stallTimeout time.Duration // how long a write may then hang

	mu         sync.Mutex
	warm       bool // the tail keeps the ring up to date
	ring       ring
	all        set
	privileged set            // those of privileged callers
	byCustomer map[string]set // the others, by customer; "" sees the catalog alone
	catchingUp set            // those that are not live

	joined chan struct{} // of size 1: a stream has joined
}

type set map[*listener]struct{}

func newHub(cfg Config) *hub {
	return &hub{
		maxWaiting: cfg.MaxWaiting, stallTimeout: cfg.StallTimeout, ring: ring{slots: make([]*rendered, cfg.RingSize)},
		all: set{}, privileged: set{}, byCustomer: map[string]set{}, catchingUp: set{}, joined: make(chan struct{}, 1),
	}
}

// join adds l: from now on it is signalled of pushes.
func (h *hub) join(l *listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all[l], h.catchingUp[l] = struct{}{}, struct{}{}
	if l.filter.caller.privileged() {
		h.privileged[l] = struct{}{}
	} else {
		name := l.filter.caller.customer()
		if h.byCustomer[name] == nil {
			h.byCustomer[name] = set{}
		}
		h.byCustomer[name][l] = struct{}{}
	}
	select {
	case h.joined <- struct{}{}:
	default:
	}
}

// leave removes l.
func (h *hub) leave(l *listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.all, l)
	delete(h.catchingUp, l)
	delete(h.privileged, l)
	name := l.filter.caller.customer()
	if delete(h.byCustomer[name], l); len(h.byCustomer[name]) == 0 {
		delete(h.byCustomer, name)
	}
}

// open returns the number of streams.
func (h *hub) open() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.all)
}

// size returns the capacity of the ring.
func (h *hub) size() int64 { return int64(len(h.ring.slots)) }

// reset empties the ring and has all streams catch up. Everything after last will be
// pushed.
func (h *hub) reset(last int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ring.reset(last)
	h.warm = true
	for l := range h.all {
		l.setCatchingUp()
		h.catchingUp[l] = struct{}{}
		l.signal()
	}
}

// stopIfIdle empties the ring if there are no streams, and reports whether it did.
func (h *hub) stopIfIdle() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.all) > 0 {
		return false
	}
	h.warm = false
	h.ring.reset(0) // frees the activities
	return true
}

// push adds activities to the ring and signals the streams that may see them. They
// must follow the ring's last without a gap.
func (h *hub) push(activities []*rendered) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	for _, t := range activities {
		h.ring.push(t)
		if t.Stream == "catalog" {
			h.dispatch(h.all, t, now)
			continue
		}
		h.dispatch(h.privileged, t, now)
		if t.Customer != "" {
			h.dispatch(h.byCustomer[t.Customer], t, now)
		}
	}
	for l := range h.catchingUp {
		l.signal()
	}
}

// dispatch counts t for the live streams it is for. It cuts off a client that does not
// read while more than maxWaiting activities wait: the client resumes by its
// Last-Event-ID. A stream that is catching up is bounded by the write timeout alone.
func (h *hub) dispatch(to set, t *rendered, now time.Time) {
	for l := range to {
		if !l.live || t.Seq <= l.cursor || !l.filter.matches(t) {
			continue
		}
		if l.waiting == 0 {
			l.cursor = t.Seq - 1 // earlier pushes were not for this stream
			l.signal()
		}
		l.waiting++
		if l.waiting > h.maxWaiting {
			l.writer.cutIfStalled(now, h.stallTimeout)
		}
	}
}

// source says where the next activities of a listener are.
type source int

const (
	upToDate source = iota // there are none
	fromRing
	fromTable
)

// Activities that are sent, and scanned, at a time.
const (
	pageSize = 64
	scanSize = 1024
)

// next returns the next activities for l from the ring, or the source where the caller
// must continue. With fromRing the result is empty if nothing that was scanned is for l.
func (h *hub) next(l *listener) ([]*rendered, source) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !h.warm:
		return nil, fromTable
	case l.live && l.waiting == 0:
		l.cursor = max(l.cursor, h.ring.last())
		return nil, upToDate
	case l.cursor+1 < h.ring.first:
		l.setCatchingUp()
		h.catchingUp[l] = struct{}{}
		return nil, fromTable
	}
	page := h.scan(l)
	if l.cursor >= h.ring.last() {
		l.setLive()
		delete(h.catchingUp, l)
		if len(page) == 0 {
			return nil, upToDate
		}
	}
	return page, fromRing
}

// scan moves the cursor of l through the ring, past what it returns.
func (h *hub) scan(l *listener) (page []*rendered) {
	end := min(l.cursor+1+scanSize, h.ring.next)
	for seq := l.cursor + 1; seq < end && len(page) < pageSize; seq++ {
		if t := h.ring.at(seq); l.filter.matches(t) {
			page = append(page, t)
		}
		l.cursor = seq
	}
	if l.live {
		l.waiting -= len(page)
	}
	return page
}

// seek moves the cursor of l, which must not be live, to seq.
func (h *hub) seek(l *listener, seq int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l.cursor = seq
}

// cursor returns the cursor of l.
func (h *hub) cursor(l *listener) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.warm && l.live && l.waiting == 0 {
		l.cursor = max(l.cursor, h.ring.last())
	}
	return l.cursor
}
