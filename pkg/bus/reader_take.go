package bus

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"gorm.io/gorm"

	"quadrille/pkg/dbtx"
	"quadrille/pkg/events"
)

// take handles what was read: first what took effect before and is being
// replayed, then what is new, so that no batch is both.
func (r *Reader) take(ctx context.Context, deliveries []Delivery) error {
	fresh := slices.IndexFunc(deliveries, func(d Delivery) bool { return d.Offset > r.at.seen })
	if fresh < 0 {
		fresh = len(deliveries)
	}
	if err := r.settle(withReplay(ctx), deliveries[:fresh]); err != nil {
		return err
	}
	return r.settle(ctx, deliveries[fresh:])
}

// settle handles deliveries. Where that fails for a reason of their own, it halves
// them until the culprit stands alone, and goes on with the rest.
func (r *Reader) settle(ctx context.Context, deliveries []Delivery) error {
	if len(deliveries) == 0 {
		return nil
	}
	err := r.attempt(ctx, deliveries)
	switch {
	case err == nil || ctx.Err() != nil || Transient(err):
		return err
	case len(deliveries) == 1:
		return r.insist(ctx, deliveries[0], err)
	}
	half := len(deliveries) / 2
	if err := r.settle(ctx, deliveries[:half]); err != nil {
		return err
	}
	return r.settle(ctx, deliveries[half:])
}

// AtApplied is the point of the way at which a batch's effect and position are
// written and not committed.
const AtApplied = "applied"

// attempt handles deliveries once, and moves the position past them with their
// effect.
func (r *Reader) attempt(ctx context.Context, deliveries []Delivery) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{value: p, stack: debug.Stack()}
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	batch, err := r.decode(deliveries)
	if err != nil {
		return err
	}
	to := r.after(deliveries)
	commit := func(apply func(Tx) error) error { return r.commit(ctx, to, apply) }
	if len(batch) == 0 {
		err = commit(func(Tx) error { return nil })
	} else {
		err = r.handle(ctx, batch, commit)
	}
	if err == nil {
		r.moveTo(to)
	}
	return err
}

// panicError is a handler's panic. The log has the stack.
type panicError struct {
	value any
	stack []byte
}

// Error tells the panic without its stack.
func (e *panicError) Error() string { return fmt.Sprintf("handler panicked: %v", e.value) }

// after returns the position behind deliveries. What a resynchronisation names has no
// place in the stream and moves nothing.
func (r *Reader) after(deliveries []Delivery) Position {
	last := deliveries[len(deliveries)-1]
	if last.Offset == beforeFirst {
		return r.at.at
	}
	return Position{Offset: last.Offset, ID: last.ID}
}

// moveTo notes a position that is committed.
func (r *Reader) moveTo(to Position) {
	r.at.at = to
	if !to.IsStart() {
		r.at.seen = max(r.at.seen, to.Offset)
	}
	r.goesOn()
	r.cfg.Committed()
}

// commit moves the position and applies the effect, together. The position goes
// first: it is what a second instance collides with, before it writes anything.
func (r *Reader) commit(ctx context.Context, to Position, apply func(Tx) error) error {
	err := dbtx.Run(r.cfg.DB.WithContext(ctx), func(tx *gorm.DB) error {
		if err := movePosition(tx, r.cfg.Subscriber, r.cfg.Stream, r.at.at, to); err != nil {
			return err
		}
		err := apply(tx)
		r.cfg.At(AtApplied)
		return err
	})
	if err != nil && !errors.Is(err, errFenced) {
		return fmt.Errorf("commit batch: %w", err)
	}
	return err
}

// decode keeps the events of the types that the subscriber listens to.
func (r *Reader) decode(deliveries []Delivery) ([]events.Event, error) {
	batch := make([]events.Event, 0, len(deliveries))
	for _, d := range deliveries {
		e, err := events.Decode(d.Body)
		if err != nil {
			return nil, fmt.Errorf("event at offset %d: %w", d.Offset, err)
		}
		if r.cfg.Types == nil || slices.Contains(r.cfg.Types, e.Type) {
			batch = append(batch, e)
		}
	}
	return batch, nil
}
