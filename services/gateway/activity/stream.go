package activity

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// stream sends activities to one client, from its cursor on.
type stream struct {
	service    *Service
	origin     origin
	l          *listener
	writer     *streamWriter
	ticker     *time.Ticker
	sent       int64       // the number that a reconnect would name
	stillValid func() bool // reports whether the caller would still be accepted
}

// hello is the data of the first frame.
type hello struct {
	Seq     int64    `json:"seq"` // the newest activity
	Subject string   `json:"subject"`
	Roles   []string `json:"roles"`
}

// sendHello sends the retry interval, the caller and the number of the newest
// activity.
func (s *stream) sendHello(head int64) error {
	caller := s.l.filter.caller
	first := hello{Seq: head, Subject: caller.Subject, Roles: append([]string{}, caller.Roles...)}
	s.sent = s.l.cursor
	return s.writer.write([]byte("retry: 2000\n\n"), s.origin.frame("hello", s.sent, first))
}

// run sends until ctx ends, the client is gone or does not read, the caller is no
// longer valid, or the instance drains.
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

// catchUp sends everything there is. Heartbeats and the check of the caller go on
// meanwhile.
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

// sendFromTable sends activities that the ring no longer holds. If the first does not
// follow the cursor, some are missing: it resets the client.
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

// awaitTable waits for 0.5 to 2 s after the table could not be read. It sends the
// cursor first, so that the client does not read the same again when it reconnects.
func (s *stream) awaitTable(ctx context.Context, failed error) error {
	const least, most = 500 * time.Millisecond, 2 * time.Second
	if ctx.Err() != nil {
		return nil
	}
	s.service.cfg.Log.Debug("activity cannot be read; the stream waits", "error", failed)
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

// reset has the client reload what it shows, and continues after the newest activity.
func (s *stream) reset(ctx context.Context) error {
	head, err := s.service.store.head(ctx)
	if err != nil {
		return err
	}
	s.service.hub.seek(s.l, head)
	s.sent = head
	return s.writer.write(s.origin.frame("reset", head, map[string]int64{"seq": head}))
}

// send writes activities.
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

// errCallerInvalid ends a stream whose caller would no longer be accepted.
var errCallerInvalid = errors.New("the credentials of the caller are no longer valid")

// check runs at each heartbeat: it ends the stream of an invalid caller, else sends a
// heartbeat.
func (s *stream) check() error {
	if !s.stillValid() {
		return errCallerInvalid
	}
	return s.heartbeat()
}

// heartbeat keeps the connection open and moves the client's Last-Event-ID past
// activities that were not for it, so that a reconnect does not scan them again.
func (s *stream) heartbeat() error {
	at := s.service.hub.cursor(s.l)
	if at <= s.sent {
		return s.writer.write([]byte(": heartbeat\n\n"))
	}
	s.sent = at
	return s.writer.write(s.origin.bareID(at))
}
