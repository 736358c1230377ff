package consumer

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"gorm.io/gorm"

	"quadrille/pkg/bus"
	"quadrille/pkg/dbtx"
	"quadrille/pkg/events"
)

// process handles deliveries: first those that took effect before and are replayed, then
// the new ones, so that no batch contains both.
func (c *Consumer) process(ctx context.Context, deliveries []bus.Delivery) error {
	fresh := slices.IndexFunc(deliveries, func(d bus.Delivery) bool { return d.Offset > c.at.seen })
	if fresh < 0 {
		fresh = len(deliveries)
	}
	if err := c.bisect(withReplay(ctx), deliveries[:fresh]); err != nil {
		return err
	}
	return c.bisect(ctx, deliveries[fresh:])
}

// bisect handles deliveries as one batch. If that fails for a reason of their own, it
// halves the batch until the failing event is alone, and continues with the rest.
func (c *Consumer) bisect(ctx context.Context, deliveries []bus.Delivery) error {
	if len(deliveries) == 0 {
		return nil
	}
	err := c.attempt(ctx, deliveries)
	switch {
	case err == nil || ctx.Err() != nil || Transient(err):
		return err
	case len(deliveries) == 1:
		return c.retryFailing(ctx, deliveries[0], err)
	}
	half := len(deliveries) / 2
	if err := c.bisect(ctx, deliveries[:half]); err != nil {
		return err
	}
	return c.bisect(ctx, deliveries[half:])
}

// PointApplied is the point at which a batch's effect and position are written but not
// committed. Config.Hook is called there.
const PointApplied = "applied"

// attempt handles deliveries once and commits their effect with the new position.
func (c *Consumer) attempt(ctx context.Context, deliveries []bus.Delivery) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{value: p, stack: debug.Stack()}
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	batch, err := c.decode(deliveries)
	if err != nil {
		return err
	}
	to := c.after(deliveries)
	commit := func(apply func(Tx) error) error { return c.commit(ctx, to, apply) }
	if len(batch) == 0 {
		err = commit(func(Tx) error { return nil })
	} else {
		err = c.handle(ctx, batch, commit)
	}
	if err == nil {
		c.moveTo(to)
	}
	return err
}

// panicError is a panic of the handler. The stack is for the log.
type panicError struct {
	value any
	stack []byte
}

// Error returns the panic's value without its stack.
func (e *panicError) Error() string { return fmt.Sprintf("handler panicked: %v", e.value) }

// after returns the position after deliveries. Events of a resynchronisation lie in no
// stream and move nothing.
func (c *Consumer) after(deliveries []bus.Delivery) bus.Position {
	last := deliveries[len(deliveries)-1]
	if last.Offset == bus.BeforeFirst {
		return c.at.at
	}
	return bus.Position{Offset: last.Offset, ID: last.ID}
}

// moveTo records a committed position.
func (c *Consumer) moveTo(to bus.Position) {
	c.at.at = to
	if !to.IsStart() {
		c.at.seen = max(c.at.seen, to.Offset)
	}
	c.recordCommit()
	c.cfg.OnCommit()
}

// commit moves the position and applies the effect in one transaction. The position moves
// first, so that a second instance conflicts before it writes anything else.
func (c *Consumer) commit(ctx context.Context, to bus.Position, apply func(Tx) error) error {
	err := dbtx.Run(c.cfg.DB.WithContext(ctx), func(tx *gorm.DB) error {
		if err := movePosition(tx, c.cfg.Subscriber, c.cfg.Stream, c.at.at, to); err != nil {
			return err
		}
		err := apply(tx)
		c.cfg.Hook(PointApplied)
		return err
	})
	if err != nil && !errors.Is(err, errFenced) {
		return fmt.Errorf("commit batch: %w", err)
	}
	return err
}

// decode returns the events of the configured types.
func (c *Consumer) decode(deliveries []bus.Delivery) ([]events.Event, error) {
	batch := make([]events.Event, 0, len(deliveries))
	for _, d := range deliveries {
		e, err := events.Decode(d.Body)
		if err != nil {
			return nil, fmt.Errorf("event at offset %d: %w", d.Offset, err)
		}
		if c.cfg.Types == nil || slices.Contains(c.cfg.Types, e.Type) {
			batch = append(batch, e)
		}
	}
	return batch, nil
}
