package live

import (
	"context"
	"time"
)

// stream is one client being told, from its cursor on.
type stream struct {
	live *Live
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
	return s.pen.write([]byte("retry: 2000\n\n"), frame("hello", s.said, first))
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
			if !s.ok() {
				return nil
			}
			if err := s.heartbeat(); err != nil {
				return err
			}
		}
	}
}

// catchUp tells all there is.
func (s *stream) catchUp(ctx context.Context) error {
	for !s.over(ctx) {
		page, where := s.live.hub.take(s.l)
		switch where {
		case nowhere:
			return nil
		case inRing:
			if err := s.tell(page); err != nil {
				return err
			}
		case inTable:
			more, err := s.fromTable(ctx)
			if err != nil || !more {
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

// tell writes notes out. While none of many is for this client, it hears that the
// stream is alive.
func (s *stream) tell(page []*told) error {
	if len(page) == 0 {
		select {
		case <-s.beat.C:
			return s.heartbeat()
		default:
			return nil
		}
	}
	frames := make([][]byte, len(page))
	for i, t := range page {
		frames[i] = t.frame
	}
	s.said = page[len(page)-1].Seq
	return s.pen.write(frames...)
}

// heartbeat keeps the connection, and moves the client's Last-Event-ID past what
// was not for it: a reconnect need not look through that again.
func (s *stream) heartbeat() error {
	at := s.live.hub.place(s.l)
	if at <= s.said {
		return s.pen.write([]byte(": heartbeat\n\n"))
	}
	s.said = at
	return s.pen.write(bareID(at))
}
