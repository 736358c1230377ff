package activity

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"quadrille/pkg/fault"
)

// Events is GET /api/v1/events: the notes that the caller may see, as they are
// taken, as server-sent events. It must run without a deadline.
func (l *Live) Events() http.Handler { return answering(l.cfg.Log, l.events) }

func (l *Live) events(w http.ResponseWriter, r *http.Request) error {
	f, err := filterOf(r.URL.Query(), l.cfg.Caller(r))
	if err != nil {
		return err
	}
	o, err := l.store.origin(r.Context())
	if err != nil {
		return err
	}
	from, err := o.place(r)
	if err != nil {
		return err
	}
	if r.Method == http.MethodHead {
		announce(w)
		return nil
	}
	leave, err := l.enter(f.caller)
	if err != nil {
		return err
	}
	defer leave()
	if err := l.located(r.Context(), &from); err != nil {
		return err
	}
	announce(w)
	if err := l.stream(w, r, f, from); err != nil {
		l.cfg.Log.Debug("stream ended", "error", err)
	}
	return nil
}

// enter counts the stream in, unless the instance drains or is full.
func (l *Live) enter(c Caller) (leave func(), err error) {
	select {
	case <-l.drained:
		return nil, fault.New(fault.Unavailable, "draining", "this instance stops; another one answers")
	default:
		return l.door.enter(c.name())
	}
}

// announce writes the head of the answer. Nothing on the way may keep or hold back
// what follows.
func announce(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store, no-transform")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
}

// place is where a stream begins.
type place struct {
	origin

	after   int64
	head    int64 // the number given out last
	resumes bool  // the client named after
	lost    bool  // what the client has seen last is not of these notes, or something behind it is missing
}

// located completes a place with what there is.
func (l *Live) located(ctx context.Context, p *place) (err error) {
	if p.head, err = l.store.head(ctx); err != nil {
		return err
	}
	switch {
	case !p.resumes:
		p.after = p.head
		return nil
	case p.after > p.head:
		p.lost = true
	case p.after < p.head && !p.lost:
		newest, err := l.store.newest(ctx)
		if err != nil {
			return err
		}
		p.lost = newest < p.head
	}
	if p.lost {
		p.after = p.head
	}
	return nil
}

// stream tells a client what comes after a place until one of both ends it.
func (l *Live) stream(w http.ResponseWriter, r *http.Request, f filter, from place) error {
	ctx := r.Context()
	if !f.caller.Until.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, f.caller.Until)
		defer cancel()
	}
	p := newPen(w, l.cfg.WriteWithin)
	defer p.close()
	s := &stream{
		live: l, from: from.origin, l: newListener(f, p, from.after), pen: p,
		beat: time.NewTicker(l.cfg.Heartbeat), ok: func() bool { return l.cfg.Still(r) },
	}
	defer s.beat.Stop()
	if err := s.begin(from.head); err != nil {
		return err
	}
	if from.lost {
		if err := s.reset(ctx); err != nil {
			return err
		}
	}
	l.hub.join(s.l)
	defer l.hub.leave(s.l)
	return s.run(ctx)
}

// place is where the client wants to go on. A reconnecting client's header is newer
// than the address it was given.
func (o origin) place(r *http.Request) (p place, err error) {
	p.origin = o
	at, id := "#/header/Last-Event-ID", r.Header.Get("Last-Event-ID")
	if id == "" {
		at, id = "#/query/last_event_id", r.URL.Query().Get("last_event_id")
	}
	if id == "" {
		return p, nil
	}
	var ours bool
	p.after, ours, err = o.number(id, at)
	p.resumes, p.lost = true, !ours
	return p, err
}

// mostTypes is how many types a stream can be narrowed to.
const mostTypes = 50

func filterOf(query url.Values, c Caller) (filter, error) {
	f := filter{caller: c, types: split(query.Get("types")), subject: query.Get("subject")}
	if len(f.types) > mostTypes {
		return f, fault.New(fault.Invalid, "types_too_many", "a stream is narrowed to %d types at the most", mostTypes).
			With("#/query/types", "names %d", len(f.types))
	}
	return f, nil
}
