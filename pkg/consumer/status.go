package consumer

import (
	"context"
	"errors"
	"time"

	"quadrille/pkg/bus"
)

// The states of a consumer.
const (
	StateStarting  = "starting"
	StateWaiting   = "waiting" // for the stream to be declared
	StateReading   = "reading"
	StateFailing   = "failing"   // retries the same events
	StateResyncing = "resyncing" // reads the owner's lists, because the history was cut or replaced
	StateStandby   = "standby"   // another instance consumes the stream
)

// Status describes a consumer's progress.
type Status struct {
	Subscriber string
	Stream     string
	Kind       string // Converging, InOrder or Effects
	Position   bus.Position
	End        bus.Position // of the stream's last event; zero if it could not be read
	Lag        int64        // offsets between Position and End; the whole history if it does not contain Position
	Replaying  bool         // the next events took effect before
	Resynced   int          // things handled so far by the resynchronisation that runs
	Resyncs    int          // completed resynchronisations since the start
	State      string
	Err        string
	Since      time.Time // of State
}

// Status returns the consumer's progress. It reads the position from the database and the
// end from the log. It is safe for concurrent use.
func (c *Consumer) Status(ctx context.Context) Status {
	c.mu.Lock()
	s := c.status
	c.mu.Unlock()
	// Another instance may have moved the position.
	if p, err := c.load(ctx); err == nil {
		s.Position, s.Replaying = p.at, p.at.LastOffset() < p.seen
	}
	end, err := c.cfg.Bus.End(ctx, c.cfg.Stream)
	switch {
	case err != nil && s.Err == "":
		s.Err = err.Error()
	case err == nil:
		s.End, s.Lag = end, lag(s.Position, end)
	}
	return s
}

// lag returns the distance in offsets. If the history ends before the position, or ends
// there with another event, the position belongs to an earlier history, and all of the
// present one is still unread.
func lag(at, end bus.Position) int64 {
	whole := end.LastOffset() + 1
	switch {
	case at.IsStart():
		return whole
	case at.Offset > end.LastOffset(), at.Offset == end.Offset && at.ID != end.ID && at.ID != bus.AnyEvent:
		return max(1, whole)
	}
	return end.Offset - at.Offset
}

// State returns the state that this instance knows, without a query.
func (c *Consumer) State() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status.State
}

// record updates the state after a step and logs changes of it, not every failure.
func (c *Consumer) record(ctx context.Context, err error) {
	if ctx.Err() != nil || errors.Is(err, errFenced) || errors.Is(err, errMoved) || errors.Is(err, bus.ErrStalled) {
		return
	}
	state, text := stateOf(err)
	if state == StateWaiting && !c.at.at.IsStart() {
		text = "the history is missing; waiting for its publisher to declare it again"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.status.State
	if before == StateResyncing && state == StateFailing {
		state = StateResyncing // the resynchronisation fails and is retried
	}
	c.status.Position, c.status.Err = c.at.at, text
	if err != nil {
		c.recordFailure(err)
	}
	if state == before {
		return
	}
	c.status.State, c.status.Since, c.status.Resynced = state, time.Now(), 0
	switch {
	case state == StateResyncing:
		c.cfg.Log.Warn("history was cut or replaced; resynchronising", "error", text)
	case text != "":
		c.cfg.Log.Warn("consumer cannot continue and retries", "state", state, "error", text)
	case before == StateFailing || before == StateResyncing:
		c.cfg.Log.Info("consumer continues")
	}
}

func stateOf(err error) (state, text string) {
	switch {
	case err == nil:
		return StateReading, ""
	case errors.Is(err, bus.ErrNoStream):
		return StateWaiting, ""
	case errors.Is(err, bus.ErrHistoryChanged):
		return StateResyncing, err.Error()
	default:
		return StateFailing, err.Error()
	}
}

// recordResync counts a completed resynchronisation.
func (c *Consumer) recordResync() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.Resyncs++
}

// recordListed records how many things a resynchronisation has handled.
func (c *Consumer) recordListed(things int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.Resynced = things
}
