package activity

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// stream is one client being told, from its cursor on.
type stream struct {
	service    *Service
	origin     origin
	l          *listener
	writer     *streamWriter
	ticker     *time.Ticker
	sent       int64       // the number that the client would name in a reconnect
	stillValid func() bool // the caller still is who it was
}

// hello is the first frame.
type hello struct {
	Seq     int64    `json:"seq"` // the newest note
	Subject string   `json:"subject"`
	Roles   []string `json:"roles"`
}

// sendHello tells who is listening, and from where the stream goes on.
func (s *stream) sendHello(head int64) error {
	caller := s.l.filter.caller
	first := hello{Seq: head, Subject: caller.Subject, Roles: append([]string{}, caller.Roles...)}
	s.sent = s.l.cursor
	return s.writer.write([]byte("retry: 2000\n\n"), s.origin.frame("hello", s.sent, first))
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
		case <-s.service.drained:
			return nil
		case <-s.l.wake:
		case <-s.ticker.C:
			if err := s.check(); err != nil {
				return err
			}
		}
	}
}

// catchUp tells all there is. However much that is, the client hears that the
// stream is alive, and must still be let in.
func (s *stream) catchUp(ctx context.Context) error {
	for !s.ended(ctx) {
		select {
		case <-s.ticker.C:
			if err := s.check(); err != nil {
				return err
			}
		default:
		}
		page, where := s.service.hub.next(s.l)
		switch where {
		case upToDate:
			return nil
		case fromRing:
			if err := s.send(page); err != nil {
				return err
			}
		case fromTable:
			found, err := s.service.pages.after(ctx, s.service.hub.cursor(s.l))
			switch {
			case err != nil:
				err = s.awaitTable(ctx, err)
			case len(found) == 0:
				return nil
			default:
				err = s.sendFromTable(ctx, found)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *stream) ended(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	case <-s.service.drained:
		return true
	default:
		return false
	}
}

// sendFromTable tells notes that the ring has no more, which are those after the cursor
// unless some are missing.
func (s *stream) sendFromTable(ctx context.Context, found []*rendered) error {
	if found[0].Seq != s.service.hub.cursor(s.l)+1 {
		return s.reset(ctx)
	}
	var page []*rendered
	for _, t := range found {
		if s.l.filter.matches(t) {
			page = append(page, t)
		}
	}
	s.service.hub.seek(s.l, found[len(found)-1].Seq)
	return s.send(page)
}

// awaitTable waits a moment after the table could not be read, and tells the client how
// far it has come: what is told already is not to be looked for again.
func (s *stream) awaitTable(ctx context.Context, failed error) error {
	const least, most = 500 * time.Millisecond, 2 * time.Second
	if ctx.Err() != nil {
		return nil
	}
	s.service.cfg.Log.Debug("notes cannot be read; the stream waits", "error", failed)
	if err := s.heartbeat(); err != nil {
		return err
	}
	timer := time.NewTimer(least + rand.N(most-least))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-s.service.drained:
	case <-timer.C:
	}
	return nil
}

// reset has the client reload what it shows, and goes on with what happens from
// now on.
func (s *stream) reset(ctx context.Context) error {
	head, err := s.service.store.head(ctx)
	if err != nil {
		return err
	}
	s.service.hub.seek(s.l, head)
	s.sent = head
	return s.writer.write(s.origin.frame("reset", head, map[string]int64{"seq": head}))
}

// send writes notes out.
func (s *stream) send(page []*rendered) error {
	if len(page) == 0 {
		return nil
	}
	frames := make([][]byte, len(page))
	for i, t := range page {
		frames[i] = t.frameFor(s.l.filter.caller)
	}
	s.sent = page[len(page)-1].Seq
	return s.writer.write(frames...)
}

// errCallerInvalid: the client would not be let in any more.
var errCallerInvalid = errors.New("the caller is not let in any more")

// check is what happens at each beat.
func (s *stream) check() error {
	if !s.stillValid() {
		return errCallerInvalid
	}
	return s.heartbeat()
}

// heartbeat keeps the connection, and moves the client's Last-Event-ID past what
// was not for it: a reconnect need not look through that again.
func (s *stream) heartbeat() error {
	at := s.service.hub.cursor(s.l)
	if at <= s.sent {
		return s.writer.write([]byte(": heartbeat\n\n"))
	}
	s.sent = at
	return s.writer.write(s.origin.bareID(at))
}
