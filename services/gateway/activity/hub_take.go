package activity

// where a listener finds what comes next.
type where int

const (
	nowhere where = iota // it is up to date
	inRing
	inTable
)

// How many notes are told, and looked at, at a time.
const (
	pageSize = 64
	scanSize = 1024
)

// take is the next notes for l that are in the ring, perhaps none of those looked
// at; or says where else they are.
func (h *hub) take(l *listener) ([]*told, where) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !h.warm:
		return nil, inTable
	case l.live && l.waiting == 0:
		l.cursor = max(l.cursor, h.ring.last())
		return nil, nowhere
	case l.cursor+1 < h.ring.first:
		l.fellBack()
		h.back[l] = struct{}{}
		return nil, inTable
	}
	page := h.scan(l)
	if l.cursor >= h.ring.last() {
		l.caughtUp()
		delete(h.back, l)
		if len(page) == 0 {
			return nil, nowhere
		}
	}
	return page, inRing
}

// scan moves l's cursor through the ring, past what it returns.
func (h *hub) scan(l *listener) (page []*told) {
	end := min(l.cursor+1+scanSize, h.ring.next)
	for seq := l.cursor + 1; seq < end && len(page) < pageSize; seq++ {
		if t := h.ring.at(seq); l.filter.shows(t) {
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
func (h *hub) place(l *listener) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.warm && l.live && l.waiting == 0 {
		l.cursor = max(l.cursor, h.ring.last())
	}
	return l.cursor
}
