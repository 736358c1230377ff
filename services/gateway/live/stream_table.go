package live

import (
	"context"
	"time"
)

const (
	tablePage   = 500
	tableWithin = 5 * time.Second // for one page
)

// fromTable tells the notes after the cursor that the ring has no more, a page of
// them, and reports whether there were any.
func (s *stream) fromTable(ctx context.Context) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, tableWithin)
	defer cancel()
	at := s.live.hub.place(s.l)
	notes, err := s.live.store.after(ctx, at, tablePage)
	if err != nil || len(notes) == 0 {
		return false, err
	}
	if notes[0].Seq != at+1 {
		return true, s.reset(ctx) // what would come next was pruned
	}
	var page []*told
	for _, n := range notes {
		if s.l.filter.shows(&n) {
			page = append(page, tell(n))
		}
	}
	s.live.hub.seek(s.l, notes[len(notes)-1].Seq)
	return true, s.tell(page)
}

// reset has the client reload what it shows, and goes on with what happens from
// now on.
func (s *stream) reset(ctx context.Context) error {
	head, err := s.live.store.head(ctx)
	if err != nil {
		return err
	}
	s.live.hub.seek(s.l, head)
	s.said = head
	return s.pen.write(frame("reset", head, map[string]int64{"seq": head}))
}
