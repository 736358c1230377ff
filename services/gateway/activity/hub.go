package activity

import (
	"sync"
	"time"
)

// hub is the streams of this instance and the ring they share. The tail pushes, the
// streams take. All methods are safe for concurrent use.
type hub struct {
	maxWaiting   int           // notes for a stream whose client does not read
	stallTimeout time.Duration // for how long it may then not read

	mu         sync.Mutex
	warm       bool // the ring is kept up to date
	ring       ring
	all        set
	privileged set            // those that see what is nobody's own
	byCustomer map[string]set // the others, by whose things they see; "" sees the catalog alone
	catchingUp set            // those that are not live

	joined chan struct{} // of size 1: there is somebody to listen
}

type set map[*listener]struct{}

func newHub(cfg Config) *hub {
	return &hub{
		maxWaiting: cfg.MaxWaiting, stallTimeout: cfg.StallTimeout, ring: ring{slots: make([]*rendered, cfg.RingSize)},
		all: set{}, privileged: set{}, byCustomer: map[string]set{}, catchingUp: set{}, joined: make(chan struct{}, 1),
	}
}

// join has l hear of what is pushed.
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

// leave forgets l.
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

// open is how many streams there are.
func (h *hub) open() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.all)
}

// size is how many notes the ring holds.
func (h *hub) size() int64 { return int64(len(h.ring.slots)) }

// begin says that everything after last will be pushed.
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

// stopIfIdle lets the ring go cold if nobody listens, and reports whether it did.
func (h *hub) stopIfIdle() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.all) > 0 {
		return false
	}
	h.warm = false
	h.ring.reset(0) // lets go of the notes
	return true
}

// push hands notes, which follow the ring's last without a gap, to whom they are
// for.
func (h *hub) push(notes []*rendered) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	for _, t := range notes {
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

// tell counts t for those it is for. A client that does not read although many
// wait is cut: its Last-Event-ID brings it back to where it was. One that is still
// catching up has the time for a write as its only bound.
func (h *hub) dispatch(to set, t *rendered, now time.Time) {
	for l := range to {
		if !l.live || t.Seq <= l.cursor || !l.filter.matches(t) {
			continue
		}
		if l.waiting == 0 {
			l.cursor = t.Seq - 1 // what was pushed before is not for this stream
			l.signal()
		}
		l.waiting++
		if l.waiting > h.maxWaiting {
			l.writer.cutIfStalled(now, h.stallTimeout)
		}
	}
}

// source a listener finds what comes next.
type source int

const (
	upToDate source = iota // it is up to date
	fromRing
	fromTable
)

// How many notes are told, and looked at, at a time.
const (
	pageSize = 64
	scanSize = 1024
)

// take is the next notes for l that are in the ring, perhaps none of those looked
// at; or says where else they are.
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

// scan moves l's cursor through the ring, past what it returns.
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

// seek moves the cursor of l, which is not live, to seq.
func (h *hub) seek(l *listener, seq int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l.cursor = seq
}

// place is where l's cursor is.
func (h *hub) cursor(l *listener) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.warm && l.live && l.waiting == 0 {
		l.cursor = max(l.cursor, h.ring.last())
	}
	return l.cursor
}
