package activity

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// stream is one client being told, from its cursor on.
type stream struct {
	live *Live
	from origin
	l    *listener
	pen  *pen
	beat *time.Ticker
	said int64       // the number that the client would name in a reconnect
	ok   func() bool // the caller still is who it was
}

// hello is the first frame.
type hello struct {
	Seq     int64    `json:"seq"` // the newest note
	Subject string   `json:"subject"`
	Roles   []string `json:"roles"`
}

// begin tells who is listening, and from where the stream goes on.
func (s *stream) begin(head int64) error {
	caller := s.l.filter.caller
	first := hello{Seq: head, Subject: caller.Subject, Roles: append([]string{}, caller.Roles...)}
	s.said = s.l.cursor
	return s.pen.write([]byte("retry: 2000\n\n"), s.from.frame("hello", s.said, first))
}

// run tells until ctx ends, the client is gone or does not read, or the instance
// drains.
func (s *stream) run(ctx context.Context) error {
	for {
		if err := s.catchUp(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.live.drained:
			return nil
		case <-s.l.wake:
		case <-s.beat.C:
			if err := s.alive(); err != nil {
				return err
			}
		}
	}
}

// catchUp tells all there is. However much that is, the client hears that the
// stream is alive, and must still be let in.
func (s *stream) catchUp(ctx context.Context) error {
	for !s.over(ctx) {
		select {
		case <-s.beat.C:
			if err := s.alive(); err != nil {
				return err
			}
		default:
		}
		page, where := s.live.hub.take(s.l)
		switch where {
		case nowhere:
			return nil
		case inRing:
			if err := s.tell(page); err != nil {
				return err
			}
		case inTable:
			found, err := s.live.pages.after(ctx, s.live.hub.place(s.l))
			switch {
			case err != nil:
				err = s.outage(ctx, err)
			case len(found) == 0:
				return nil
			default:
				err = s.fromTable(ctx, found)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *stream) over(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	case <-s.live.drained:
		return true
	default:
		return false
	}
}

// fromTable tells notes that the ring has no more, which are those after the cursor
// unless some are missing.
func (s *stream) fromTable(ctx context.Context, found []*told) error {
	if found[0].Seq != s.live.hub.place(s.l)+1 {
		return s.reset(ctx)
	}
	var page []*told
	for _, t := range found {
		if s.l.filter.shows(t) {
			page = append(page, t)
		}
	}
	s.live.hub.seek(s.l, found[len(found)-1].Seq)
	return s.tell(page)
}

// outage waits a moment after the table could not be read, and tells the client how
// far it has come: what is told already is not to be looked for again.
func (s *stream) outage(ctx context.Context, failed error) error {
	const least, most = 500 * time.Millisecond, 2 * time.Second
	if ctx.Err() != nil {
		return nil
	}
	s.live.cfg.Log.Debug("notes cannot be read; the stream waits", "error", failed)
	if err := s.heartbeat(); err != nil {
		return err
	}
	timer := time.NewTimer(least + rand.N(most-least))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-s.live.drained:
	case <-timer.C:
	}
	return nil
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
	return s.pen.write(s.from.frame("reset", head, map[string]int64{"seq": head}))
}

// tell writes notes out.
func (s *stream) tell(page []*told) error {
	if len(page) == 0 {
		return nil
	}
	frames := make([][]byte, len(page))
	for i, t := range page {
		frames[i] = t.frameFor(s.l.filter.caller)
	}
	s.said = page[len(page)-1].Seq
	return s.pen.write(frames...)
}

// errNotStill: the client would not be let in any more.
var errNotStill = errors.New("the caller is not let in any more")

// alive is what happens at each beat.
func (s *stream) alive() error {
	if !s.ok() {
		return errNotStill
	}
	return s.heartbeat()
}

// heartbeat keeps the connection, and moves the client's Last-Event-ID past what
// was not for it: a reconnect need not look through that again.
func (s *stream) heartbeat() error {
	at := s.live.hub.place(s.l)
	if at <= s.said {
		return s.pen.write([]byte(": heartbeat\n\n"))
	}
	s.said = at
	return s.pen.write(s.from.bareID(at))
}
