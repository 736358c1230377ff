package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"quadrille/pkg/bus"
)

// Health describes whether a running consumer makes progress.
type Health struct {
	Err   string    // why events cannot be read or handled; empty if they can
	Since time.Time // of Err: from then on nothing was committed, and the end was not reached
	Read  int       // events that were read and are not committed yet
	// BusySince is the time of the last commit among them, or of the read.
	BusySince time.Time
}

// Health returns the state that this instance knows, without a query. It is safe for
// concurrent use.
func (c *Consumer) Health() Health {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.health
}

// Timeout returns the limit for one attempt at a batch.
func (c *Consumer) Timeout() time.Duration { return c.cfg.Timeout }

// Sample is a consumer's progress in the database at one time.
type Sample struct {
	At    bus.Position
	Lag   int64     // offsets between At and the stream's end
	Moved time.Time // when the position moved last
}

// Sample reads the position from the database and the end from the log.
func (c *Consumer) Sample(ctx context.Context) (Sample, error) {
	var row positionRow
	err := c.cfg.DB.WithContext(ctx).Limit(1).Find(&row, "subscriber = ? AND stream = ?", c.cfg.Subscriber, c.cfg.Stream).Error
	if err != nil {
		return Sample{}, fmt.Errorf("read position: %w", err)
	}
	end, err := c.cfg.Bus.End(ctx, c.cfg.Stream)
	if err != nil {
		return Sample{}, fmt.Errorf("find the end of %s: %w", c.cfg.Stream, err)
	}
	s := Sample{Moved: row.UpdatedAt}
	if row.LastID != "" {
		s.At = bus.Position{Offset: row.LastOffset, ID: row.LastID}
	}
	s.Lag = lag(s.At, end)
	return s, nil
}

// recordRead records that n events were read.
func (c *Consumer) recordRead(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.health.Read, c.health.BusySince = n, time.Now()
}

// recordCommit records that a batch, or a part of one, was committed.
func (c *Consumer) recordCommit() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.health.Err, c.health.Since = "", time.Time{}
	if c.health.Read > 0 {
		c.health.BusySince = time.Now()
	}
}

// recordIdle records that there is nothing to do: the consumer is at the end, or stopped.
func (c *Consumer) recordIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.health = Health{}
}

// recordFailure records why nothing was handled. The caller holds c.mu.
func (c *Consumer) recordFailure(err error) {
	text := err.Error()
	if errors.Is(err, bus.ErrNoStream) {
		text = "waiting for the history of " + c.cfg.Stream + ", which does not exist"
	}
	c.health = Health{Err: text, Since: c.health.Since}
	if c.health.Since.IsZero() {
		c.health.Since = time.Now()
	}
}
