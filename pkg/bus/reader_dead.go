package bus

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/dbtx"
	"quadrille/pkg/deadletter"
	"quadrille/pkg/events"
)

// suspect is the event that fails alone, and how often it did. It outlives a
// transient failure in between, so that the tries are counted through.
type suspect struct {
	position Position
	attempts int
	first    time.Time
}

// insist tries an event that failed alone again, with growing pauses, and sets it
// aside after the last try.
func (r *Reader) insist(ctx context.Context, d Delivery, err error) error {
	at := Position{Offset: d.Offset, ID: d.ID}
	if r.suspect.position != at {
		r.suspect = suspect{position: at, first: time.Now().UTC()}
	}
	for {
		r.suspect.attempts++
		if r.suspect.attempts >= r.cfg.Tries {
			return r.setAside(ctx, d, err)
		}
		r.note(ctx, err)
		sleep(ctx, r.cfg.TryPause<<(r.suspect.attempts-1))
		err = r.attempt(ctx, []Delivery{d})
		if err == nil || ctx.Err() != nil || Transient(err) {
			return err
		}
	}
}

// setAside moves the position past an event that cannot be handled, and keeps the
// event in the same transaction.
func (r *Reader) setAside(ctx context.Context, d Delivery, cause error) error {
	letter := deadletter.Letter{
		Subscriber: r.cfg.Subscriber, Stream: r.cfg.Stream, Position: d.Offset, EventID: d.ID, Body: d.Body,
		Error: deadletter.Text(cause), Attempts: r.suspect.attempts, FirstAt: r.suspect.first, LastAt: time.Now().UTC(),
	}
	if e, err := events.Decode(d.Body); err == nil {
		letter.EventID, letter.Type, letter.Subject = e.ID, e.Type, e.Subject
	}
	to := r.after([]Delivery{d})
	if err := r.commit(ctx, to, func(tx Tx) error { return deadletter.Put(tx, letter) }); err != nil {
		return err
	}
	r.moveTo(to)
	attrs := []any{"offset", d.Offset, "event", letter.EventID, "type", letter.Type, "attempts", letter.Attempts, "error", letter.Error}
	var panicked *panicError
	if errors.As(cause, &panicked) {
		attrs = append(attrs, "stack", string(panicked.stack))
	}
	r.cfg.Log.Error("event cannot be handled and was set aside as a dead letter", attrs...)
	return nil
}

// Retry handles the event of a dead letter in the normal way; its effect and the
// closing of the letter are one transaction. Where it fails again the letter
// stays, with the new error. Safe for concurrent use, and while the reader runs:
// of two retries at once one gets deadletter.ErrClosed.
func (r *Reader) Retry(ctx context.Context, letter deadletter.Letter) (err error) {
	if letter.State != deadletter.Open {
		return fmt.Errorf("%w: %d", deadletter.ErrClosed, letter.ID)
	}
	err = r.retry(ctx, letter)
	if err == nil {
		r.cfg.Committed()
		return nil
	}
	if ctx.Err() != nil || errors.Is(err, deadletter.ErrClosed) || Transient(err) {
		return err
	}
	return errors.Join(err, deadletter.Failed(ctx, r.cfg.DB, letter.ID, err))
}

func (r *Reader) retry(ctx context.Context, letter deadletter.Letter) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{value: p, stack: debug.Stack()}
		}
	}()
	batch, err := r.decode([]Delivery{{Offset: letter.Position, ID: letter.EventID, Body: letter.Body}})
	if err != nil {
		return err
	}
	commit := func(apply func(Tx) error) error {
		return dbtx.Run(r.cfg.DB.WithContext(ctx), func(tx *gorm.DB) error {
			if err := deadletter.Take(tx, letter.ID); err != nil {
				return err
			}
			return apply(tx)
		})
	}
	if len(batch) == 0 { // a type that is no longer listened to
		return commit(func(Tx) error { return nil })
	}
	return r.handle(ctx, batch, commit)
}
