package activity

// ring is the latest notes, without gaps, in memory: what every stream that is up
// to date is served from.
type ring struct {
	slots []*told
	first int64 // of the notes that are here; next where there is none
	next  int64 // the one that is awaited
}

// begin empties the ring; the note after last is awaited.
func (r *ring) begin(last int64) {
	clear(r.slots)
	r.first, r.next = last+1, last+1
}

// last is the newest note's number, here or before the ring began.
func (r *ring) last() int64 { return r.next - 1 }

// push takes the awaited note in, and lets the oldest go.
func (r *ring) push(t *told) {
	r.slots[r.next%int64(len(r.slots))] = t
	r.next++
	r.first = max(r.first, r.next-int64(len(r.slots)))
}

// at is a note from first on and before next.
func (r *ring) at(seq int64) *told { return r.slots[seq%int64(len(r.slots))] }
