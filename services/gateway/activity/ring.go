package activity

// ring holds the latest activities in memory, without gaps. Streams that are up to
// date are served from it.
type ring struct {
	slots []*rendered
	first int64 // oldest number in the ring; equals next where it is empty
	next  int64 // number of the next push
}

// reset empties the ring. The next push must be the activity after last.
func (r *ring) reset(last int64) {
	clear(r.slots)
	r.first, r.next = last+1, last+1
}

// last returns the number of the newest activity, or the number given to reset.
func (r *ring) last() int64 { return r.next - 1 }

// push adds the next activity and drops the oldest where the ring is full.
func (r *ring) push(t *rendered) {
	r.slots[r.next%int64(len(r.slots))] = t
	r.next++
	r.first = max(r.first, r.next-int64(len(r.slots)))
}

// at returns an activity from first on and before next.
func (r *ring) at(seq int64) *rendered { return r.slots[seq%int64(len(r.slots))] }

// listener is the state of one stream in the hub: a cursor, a filter and a signal. The
// activities stay in the ring and in the table. The hub's lock guards it.
type listener struct {
	filter filter
	writer *streamWriter
	wake   chan struct{} // of size 1

	cursor int64 // up to here everything was sent, or is not for this stream
	// live reports whether the hub counts activities for this stream. A stream that is
	// not live reads at its own pace, from the table or the ring.
	live    bool
	waiting int // activities after the cursor that are for this stream, while live
}

func newListener(f filter, p *streamWriter, cursor int64) *listener {
	return &listener{filter: f, writer: p, cursor: cursor, wake: make(chan struct{}, 1)}
}

// signal wakes the stream. It does not block.
func (l *listener) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// setLive has the hub count activities for the stream from now on.
func (l *listener) setLive() { l.live, l.waiting = true, 0 }

// setCatchingUp ends the counting: the stream reads on by itself.
func (l *listener) setCatchingUp() { l.live, l.waiting = false, 0 }
