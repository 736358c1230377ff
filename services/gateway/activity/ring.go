package activity

// ring is the latest notes, without gaps, in memory: what every stream that is up
// to date is served from.
type ring struct {
	slots []*rendered
	first int64 // of the notes that are here; next where there is none
	next  int64 // the one that is awaited
}

// begin empties the ring; the note after last is awaited.
func (r *ring) reset(last int64) {
	clear(r.slots)
	r.first, r.next = last+1, last+1
}

// last is the newest note's number, here or before the ring began.
func (r *ring) last() int64 { return r.next - 1 }

// push takes the awaited note in, and lets the oldest go.
func (r *ring) push(t *rendered) {
	r.slots[r.next%int64(len(r.slots))] = t
	r.next++
	r.first = max(r.first, r.next-int64(len(r.slots)))
}

// at is a note from first on and before next.
func (r *ring) at(seq int64) *rendered { return r.slots[seq%int64(len(r.slots))] }

// listener is one stream's place among the notes: a cursor, a filter and a signal.
// What it is to be told stays in the ring and in the table. The hub's lock guards
// it.
type listener struct {
	filter filter
	writer *streamWriter
	wake   chan struct{} // of size 1

	cursor int64 // what lies at or before it was told, or is not for this stream
	// live: the hub counts what is for this stream. Until then it reads on at its own
	// pace, from the table or the ring.
	live    bool
	waiting int // how many notes after the cursor are for this stream, while live
}

func newListener(f filter, p *streamWriter, cursor int64) *listener {
	return &listener{filter: f, writer: p, cursor: cursor, wake: make(chan struct{}, 1)}
}

func (l *listener) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// setLive: from now on the hub counts.
func (l *listener) setLive() { l.live, l.waiting = true, 0 }

// setCatchingUp: the hub counts no more; the listener reads on by itself.
func (l *listener) setCatchingUp() { l.live, l.waiting = false, 0 }
