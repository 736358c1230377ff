package activity

import (
	"sync"
	"time"
)

// hub is the streams of this instance and the ring they share. The tail pushes, the
// streams take. All methods are safe for concurrent use.
type hub struct {
	mayWait  int           // notes for a stream whose client does not read
	patience time.Duration // for how long it may then not read

	mu   sync.Mutex
	warm bool // the ring is kept up to date
	ring ring
	all  set
	wide set            // those that see what is nobody's own
	own  map[string]set // the others, by whose things they see; "" sees the catalog alone
	back set            // those that are not live

	came chan struct{} // of size 1: there is somebody to listen
}

type set map[*listener]struct{}

func newHub(cfg Config) *hub {
	return &hub{
		mayWait: cfg.MayWait, patience: cfg.Patience, ring: ring{slots: make([]*told, cfg.Ring)},
		all: set{}, wide: set{}, own: map[string]set{}, back: set{}, came: make(chan struct{}, 1),
	}
}

// join has l hear of what is pushed.
func (h *hub) join(l *listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all[l], h.back[l] = struct{}{}, struct{}{}
	if l.filter.caller.wide() {
		h.wide[l] = struct{}{}
	} else {
		name := l.filter.caller.customer()
		if h.own[name] == nil {
			h.own[name] = set{}
		}
		h.own[name][l] = struct{}{}
	}
	select {
	case h.came <- struct{}{}:
	default:
	}
}

// leave forgets l.
func (h *hub) leave(l *listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.all, l)
	delete(h.back, l)
	delete(h.wide, l)
	name := l.filter.caller.customer()
	if delete(h.own[name], l); len(h.own[name]) == 0 {
		delete(h.own, name)
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
func (h *hub) begin(last int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ring.begin(last)
	h.warm = true
	for l := range h.all {
		l.fellBack()
		h.back[l] = struct{}{}
		l.stir()
	}
}

// rest lets the ring go cold if nobody listens, and reports whether it did.
func (h *hub) rest() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.all) > 0 {
		return false
	}
	h.warm = false
	h.ring.begin(0) // lets go of the notes
	return true
}
