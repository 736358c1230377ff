package activity

// listener is one stream's place among the notes: a cursor, a filter and a signal.
// What it is to be told stays in the ring and in the table. The hub's lock guards
// it.
type listener struct {
	filter filter
	pen    *pen
	wake   chan struct{} // of size 1

	cursor int64 // what lies at or before it was told, or is not for this stream
	// live: the hub counts what is for this stream. Until then it reads on at its own
	// pace, from the table or the ring.
	live    bool
	waiting int // how many notes after the cursor are for this stream, while live
}

func newListener(f filter, p *pen, cursor int64) *listener {
	return &listener{filter: f, pen: p, cursor: cursor, wake: make(chan struct{}, 1)}
}

func (l *listener) stir() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// caughtUp: from now on the hub counts.
func (l *listener) caughtUp() { l.live, l.waiting = true, 0 }

// fellBack: the hub counts no more; the listener reads on by itself.
func (l *listener) fellBack() { l.live, l.waiting = false, 0 }
