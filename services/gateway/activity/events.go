package activity

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"quadrille/pkg/fault"
)

// Events serves GET /api/v1/events: the activities that the caller may see, as
// server-sent events. It must run without a deadline.
func (l *Service) Events() http.Handler { return handler(l.cfg.Log, l.events) }

func (l *Service) events(w http.ResponseWriter, r *http.Request) error {
	f, err := filterOf(r.URL.Query(), l.cfg.Caller(r))
	if err != nil {
		return err
	}
	o, err := l.store.origin(r.Context())
	if err != nil {
		return err
	}
	from, err := o.startPosition(r)
	if err != nil {
		return err
	}
	if r.Method == http.MethodHead {
		writeHead(w)
		return nil
	}
	leave, err := l.acquire(f.caller)
	if err != nil {
		return err
	}
	defer leave()
	if err := l.locate(r.Context(), &from); err != nil {
		return err
	}
	writeHead(w)
	if err := l.stream(w, r, f, from); err != nil {
		l.cfg.Log.Debug("stream ended", "error", err)
	}
	return nil
}

// acquire counts the stream, unless the instance drains or a limit is reached.
func (l *Service) acquire(c Caller) (leave func(), err error) {
	select {
	case <-l.drained:
		return nil, fault.New(fault.Unavailable, "draining", "this instance is shutting down; try again")
	default:
		return l.limiter.acquire(c.limiterKey())
	}
}

// writeHead writes the head of the response. Its headers keep proxies from caching or
// buffering the stream.
func writeHead(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store, no-transform")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
}

// startPosition is the position at which a stream starts.
type startPosition struct {
	origin

	after   int64
	head    int64 // the number allocated last
	resumes bool  // the client named it
	lost    bool  // the client's number is of another recording, or activities after it are missing
}

// locate completes a start position by what is recorded.
func (l *Service) locate(ctx context.Context, p *startPosition) (err error) {
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

// stream sends activities from a position on until the client disconnects, the caller is
// no longer valid or the instance drains.
func (l *Service) stream(w http.ResponseWriter, r *http.Request, f filter, from startPosition) error {
	ctx := r.Context()
	if !f.caller.ExpiresAt.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, f.caller.ExpiresAt)
		defer cancel()
	}
	p := newStreamWriter(w, l.cfg.WriteTimeout)
	defer p.close()
	s := &stream{
		service: l, origin: from.origin, l: newListener(f, p, from.after), writer: p,
		ticker: time.NewTicker(l.cfg.Heartbeat), stillValid: func() bool { return l.cfg.StillValid(r) },
	}
	defer s.ticker.Stop()
	if err := s.sendHello(from.head); err != nil {
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

// startPosition reads the position that the client names. The header takes precedence:
// a client that reconnects sends the newer one there.
func (o origin) startPosition(r *http.Request) (p startPosition, err error) {
	p.origin = o
	at, id := "#/header/Last-Event-ID", r.Header.Get("Last-Event-ID")
	if id == "" {
		at, id = "#/query/last_event_id", r.URL.Query().Get("last_event_id")
	}
	if id == "" {
		return p, nil
	}
	var ours bool
	p.after, ours, err = o.parseID(id, at)
	p.resumes, p.lost = true, !ours
	return p, err
}

// maxTypes bounds the event types in the filter of a stream.
const maxTypes = 50

func filterOf(query url.Values, c Caller) (filter, error) {
	f := filter{caller: c, types: splitList(query.Get("types")), subject: query.Get("subject")}
	if len(f.types) > maxTypes {
		return f, fault.New(fault.Invalid, "types_too_many", "a stream may be filtered by %d types at most", maxTypes).
			With("#/query/types", "names %d", len(f.types))
	}
	return f, nil
}
