package bus

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Health tells whether a reader that runs gets its work done.
type Health struct {
	Err   string    // why nothing can be read or handled; empty while all is well
	Since time.Time // of Err: since then nothing was handled, and the reader was not at the end
	// Taken is how many events were read and are not committed yet, BusySince when the
	// last of them was committed, or else read.
	Taken     int
	BusySince time.Time
}

// Health returns how the reader does, by what it knows itself. It is safe for
// concurrent use.
func (r *Reader) Health() Health {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.health
}

// Patience is for how long the reader may rightly be at one batch.
func (r *Reader) Patience() time.Duration { return r.cfg.Timeout }

// Mark is where a subscriber was at some time, as its database knows it.
type Mark struct {
	At    Position
	Lag   int64 // offsets between At and the stream's end
	Moved time.Time
}

// Mark asks the database where the subscriber is, and the stream for its end.
func (r *Reader) Mark(ctx context.Context) (Mark, error) {
	var row positionRow
	err := r.cfg.DB.WithContext(ctx).Limit(1).Find(&row, "subscriber = ? AND stream = ?", r.cfg.Subscriber, r.cfg.Stream).Error
	if err != nil {
		return Mark{}, fmt.Errorf("read position: %w", err)
	}
	end, err := r.cfg.Bus.End(ctx, r.cfg.Stream)
	if err != nil {
		return Mark{}, fmt.Errorf("find the end of %s: %w", r.cfg.Stream, err)
	}
	m := Mark{Moved: row.UpdatedAt}
	if row.LastID != "" {
		m.At = Position{Offset: row.LastOffset, ID: row.LastID}
	}
	m.Lag = lag(m.At, end)
	return m, nil
}

// took notes that n events were read.
func (r *Reader) took(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.health.Taken, r.health.BusySince = n, time.Now()
}

// goesOn notes that a batch, or a part of one, was committed.
func (r *Reader) goesOn() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.health.Err, r.health.Since = "", time.Time{}
	if r.health.Taken > 0 {
		r.health.BusySince = time.Now()
	}
}

// rests notes that nothing is being handled: the reader is at the end, or stopped.
func (r *Reader) rests() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.health = Health{}
}

// fails notes why nothing was handled. It wants r.mu.
func (r *Reader) fails(err error) {
	text := err.Error()
	if errors.Is(err, ErrNoStream) {
		text = "waits for the history of " + r.cfg.Stream + ", which does not exist"
	}
	r.health = Health{Err: text, Since: r.health.Since}
	if r.health.Since.IsZero() {
		r.health.Since = time.Now()
	}
}

// State returns the reader's state, by what it knows itself.
func (r *Reader) State() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status.State
}
