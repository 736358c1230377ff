package bus

import (
	"context"
	"errors"
	"time"
)

// Status is how far the reader is. It asks the stream for its end. Safe for
// concurrent use.
func (r *Reader) Status(ctx context.Context) Status {
	r.mu.Lock()
	s := r.status
	r.mu.Unlock()
	// The database knows better than this instance where the subscriber is.
	if at, err := loadPosition(ctx, r.cfg.DB, r.cfg.Subscriber, r.cfg.Stream); err == nil {
		s.Position = at
	}
	end, err := r.cfg.Bus.End(ctx, r.cfg.Stream)
	switch {
	case err != nil && s.Err == "":
		s.Err = err.Error()
	case err == nil:
		s.End, s.Lag = end, lag(s.Position, end)
	}
	return s
}

// lag is the distance in offsets, counted from before the first event.
func lag(at, end Position) int64 {
	if end.IsStart() {
		return 0
	}
	if at.IsStart() {
		return end.Offset + 1
	}
	return max(0, end.Offset-at.Offset)
}

// note keeps the state and tells the log of a change in it, not of every try.
func (r *Reader) note(ctx context.Context, err error) {
	if ctx.Err() != nil || errors.Is(err, errFenced) {
		return
	}
	state, text := StateReading, ""
	switch {
	case err == nil:
	case errors.Is(err, ErrNoStream):
		state = StateWaiting
	case errors.Is(err, ErrHistoryChanged):
		state, text = StateHistoryChanged, err.Error()
	default:
		state, text = StateFailing, err.Error()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.status.State
	r.status.Position, r.status.Err = r.at, text
	if state == before {
		return
	}
	r.status.State, r.status.Since = state, time.Now()
	switch {
	case text != "":
		r.cfg.Log.Warn("reader waits and tries again", "state", state, "error", text)
	case before == StateFailing || before == StateHistoryChanged:
		r.cfg.Log.Info("reader goes on")
	}
}
