package consumer

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/bus"
	"quadrille/pkg/dbtx"
	"quadrille/pkg/deadletter"
	"quadrille/pkg/events"
)

// failing counts the attempts at an event that fails alone. Transient failures between
// them do not reset the count.
type failing struct {
	position bus.Position
	attempts int
	first    time.Time
}

// retryFailing retries an event that failed alone, with growing pauses, and makes it a dead
// letter after the last attempt.
func (c *Consumer) retryFailing(ctx context.Context, d bus.Delivery, err error) error {
	at := bus.Position{Offset: d.Offset, ID: d.ID}
	if c.failing.position != at {
		c.failing = failing{position: at, first: time.Now().UTC()}
	}
	for {
		c.failing.attempts++
		if c.failing.attempts >= c.cfg.MaxAttempts {
			return c.deadLetter(ctx, d, err)
		}
		c.record(ctx, err)
		sleep(ctx, c.cfg.RetryPause<<(c.failing.attempts-1))
		err = c.attempt(ctx, []bus.Delivery{d})
		if err == nil || ctx.Err() != nil || Transient(err) {
			return err
		}
	}
}

// deadLetter moves the position past an event and keeps the event as a dead letter in the
// same transaction.
func (c *Consumer) deadLetter(ctx context.Context, d bus.Delivery, cause error) error {
	letter := deadletter.Letter{
		Subscriber: c.cfg.Subscriber, Stream: c.cfg.Stream, Position: d.Offset, EventID: d.ID, Body: d.Body,
		Error: deadletter.Text(cause), Attempts: c.failing.attempts, FirstAt: c.failing.first, LastAt: time.Now().UTC(),
	}
	if e, err := events.Decode(d.Body); err == nil {
		letter.EventID, letter.Type, letter.Subject = e.ID, e.Type, e.Subject
	}
	to := c.after([]bus.Delivery{d})
	if err := c.commit(ctx, to, func(tx Tx) error { return deadletter.Put(tx, letter) }); err != nil {
		return err
	}
	c.moveTo(to)
	attrs := []any{"offset", d.Offset, "event", letter.EventID, "type", letter.Type, "attempts", letter.Attempts, "error", letter.Error}
	var panicked *panicError
	if errors.As(cause, &panicked) {
		attrs = append(attrs, "stack", string(panicked.stack))
	}
	c.cfg.Log.Error("event failed and became a dead letter", attrs...)
	return nil
}

// Retry handles the event of a dead letter and closes the letter in the same transaction.
// If it fails again, the letter stays open with the new error. Retry is safe for concurrent
// use, also while the consumer runs: of two concurrent retries one returns
// deadletter.ErrClosed.
func (c *Consumer) Retry(ctx context.Context, letter deadletter.Letter) (err error) {
	if letter.State != deadletter.Open {
		return fmt.Errorf("%w: %d", deadletter.ErrClosed, letter.ID)
	}
	err = c.retry(ctx, letter)
	if err == nil {
		c.cfg.OnCommit()
		return nil
	}
	if ctx.Err() != nil || errors.Is(err, deadletter.ErrClosed) || Transient(err) {
		return err
	}
	return errors.Join(err, deadletter.Failed(ctx, c.cfg.DB, letter.ID, err))
}

func (c *Consumer) retry(ctx context.Context, letter deadletter.Letter) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{value: p, stack: debug.Stack()}
		}
	}()
	batch, err := c.decode([]bus.Delivery{{Offset: letter.Position, ID: letter.EventID, Body: letter.Body}})
	if err != nil {
		return err
	}
	commit := func(apply func(Tx) error) error {
		return dbtx.Run(c.cfg.DB.WithContext(ctx), func(tx *gorm.DB) error {
			if err := deadletter.Take(tx, letter.ID); err != nil {
				return err
			}
			return apply(tx)
		})
	}
	if len(batch) == 0 { // the consumer no longer handles this type
		return commit(func(Tx) error { return nil })
	}
	return c.handle(ctx, batch, commit)
}
