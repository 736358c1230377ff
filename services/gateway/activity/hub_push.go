package activity

import "time"

// push hands notes, which follow the ring's last without a gap, to whom they are
// for.
func (h *hub) push(notes []*told) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	for _, t := range notes {
		h.ring.push(t)
		if t.Stream == "catalog" {
			h.tell(h.all, t, now)
			continue
		}
		h.tell(h.wide, t, now)
		if t.Customer != "" {
			h.tell(h.own[t.Customer], t, now)
		}
	}
	for l := range h.back {
		l.stir()
	}
}

// tell counts t for those it is for. A client that does not read although many
// wait is cut: its Last-Event-ID brings it back to where it was. One that is still
// catching up has the time for a write as its only bound.
func (h *hub) tell(to set, t *told, now time.Time) {
	for l := range to {
		if !l.live || t.Seq <= l.cursor || !l.filter.shows(t) {
			continue
		}
		if l.waiting == 0 {
			l.cursor = t.Seq - 1 // what was pushed before is not for this stream
			l.stir()
		}
		l.waiting++
		if l.waiting > h.mayWait {
			l.pen.cutIfStuck(now, h.patience)
		}
	}
}
