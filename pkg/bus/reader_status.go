package bus

import (
	"context"
	"errors"
	"time"
)

// The states of a reader.
const (
	StateStarting  = "starting"
	StateWaiting   = "waiting" // for the stream to be declared
	StateReading   = "reading"
	StateFailing   = "failing"   // waits and tries the same events again
	StateResyncing = "resyncing" // history was cut or replaced; it asks the owner instead
	StateStandby   = "standby"   // another instance reads
)

// Status is how far a reader is and how it is doing.
type Status struct {
	Subscriber string
	Stream     string
	Position   Position
	End        Position // of the stream's last event, as far as it can be told
	Lag        int64    // offsets between Position and End; of a history that does not hold Position, all
	Replaying  bool     // what it reads took effect before
	Resynced   int      // things taken so far, while resyncing
	Resyncs    int      // since start: how often history was not the one it knew
	State      string
	Err        string
	Since      time.Time // of State
}

// Status returns the reader's progress. It asks the stream for its end. It is safe for
// concurrent use.
func (r *Reader) Status(ctx context.Context) Status {
	r.mu.Lock()
	s := r.status
	r.mu.Unlock()
	// The database knows better than this instance where the subscriber is.
	if p, err := loadPlace(ctx, r.cfg.DB, r.cfg.Subscriber, r.cfg.Stream); err == nil {
		s.Position, s.Replaying = p.at, p.at.explicit().Offset < p.seen
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

// lag returns the distance in offsets, counted from before the first event. A position
// that the history does not reach, or at which it ends with another event, belongs to
// an earlier history: the whole of the present one is still to be read.
func lag(at, end Position) int64 {
	whole := end.explicit().Offset + 1
	switch {
	case at.IsStart():
		return whole
	case at.Offset > end.explicit().Offset, at.Offset == end.Offset && at.ID != end.ID && at.ID != AnyEvent:
		return max(1, whole)
	}
	return end.Offset - at.Offset
}

// note keeps the state and tells the log of a change in it, not of every try.
func (r *Reader) note(ctx context.Context, err error) {
	if ctx.Err() != nil || errors.Is(err, errFenced) || errors.Is(err, errMoved) || errors.Is(err, errLetGo) {
		return
	}
	state, text := stateOf(err)
	if state == StateWaiting && !r.at.at.IsStart() {
		text = "the history is gone; waiting for its publisher to declare it again"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.status.State
	if before == StateResyncing && state == StateFailing {
		state = StateResyncing // it is what it fails at
	}
	r.status.Position, r.status.Err = r.at.at, text
	if err != nil {
		r.fails(err)
	}
	if state == before {
		return
	}
	r.status.State, r.status.Since, r.status.Resynced = state, time.Now(), 0
	switch {
	case state == StateResyncing:
		r.cfg.Log.Warn("history is not the one this reader knew; asking the owner for all it has", "error", text)
	case text != "":
		r.cfg.Log.Warn("reader waits and tries again", "state", state, "error", text)
	case before == StateFailing || before == StateResyncing:
		r.cfg.Log.Info("reader goes on")
	}
}

func stateOf(err error) (state, text string) {
	switch {
	case err == nil:
		return StateReading, ""
	case errors.Is(err, ErrNoStream):
		return StateWaiting, ""
	case errors.Is(err, ErrHistoryChanged):
		return StateResyncing, err.Error()
	default:
		return StateFailing, err.Error()
	}
}

// resynced notes that a resynchronisation is done.
func (r *Reader) resynced() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Resyncs++
}

// progress notes how many things a resynchronisation has taken.
func (r *Reader) progress(things int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Resynced = things
}
