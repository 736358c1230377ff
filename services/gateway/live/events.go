package live

import (
	"net/http"
	"net/url"
	"strconv"
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
	after, resumes, err := lastEventID(r)
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
	head, err := l.store.head(r.Context())
	if err != nil {
		return err
	}
	if !resumes {
		after = head
	}
	announce(w)
	if err := l.stream(w, r, f, after, head); err != nil {
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
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
}

// stream tells a client what comes after a number until one of both ends it.
func (l *Live) stream(w http.ResponseWriter, r *http.Request, f filter, after, head int64) error {
	p := newPen(w, l.cfg.WriteWithin)
	defer p.close()
	s := &stream{
		live: l, l: newListener(f, p, after), pen: p,
		beat: time.NewTicker(l.cfg.Heartbeat), ok: func() bool { return l.cfg.Still(r) },
	}
	defer s.beat.Stop()
	if err := s.begin(head); err != nil {
		return err
	}
	if after > head { // of notes that are lost
		if err := s.reset(r.Context()); err != nil {
			return err
		}
	}
	l.hub.join(s.l)
	defer l.hub.leave(s.l)
	return s.run(r.Context())
}

// lastEventID is where the client wants to go on. A reconnecting client's header
// is newer than the address it was given.
func lastEventID(r *http.Request) (seq int64, named bool, err error) {
	at, text := "#/header/Last-Event-ID", r.Header.Get("Last-Event-ID")
	if text == "" {
		at, text = "#/query/last_event_id", r.URL.Query().Get("last_event_id")
	}
	if text == "" {
		return 0, false, nil
	}
	seq, err = strconv.ParseInt(text, 10, 64)
	if err != nil || seq < 0 {
		return 0, false, fault.New(fault.Malformed, "last_event_id_malformed", "a Last-Event-ID is the id of an event of this stream").
			With(at, "%.40q is no whole number of 0 or more", text)
	}
	return seq, true, nil
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
