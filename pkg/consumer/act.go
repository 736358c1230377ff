package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/bus"
	"quadrille/pkg/dbtx"
	"quadrille/pkg/deadletter"
	"quadrille/pkg/events"
)

// errOutcomeUnknown is the error of an effect that may or may not have been made.
var errOutcomeUnknown = errors.New("the process ended, or lost its database, during the effect, which may or may not have been made; " +
	"retry the letter to make the effect, perhaps a second time, or discard it")

// errCutOff is the error of an effect whose context ended during the attempt.
var errCutOff = errors.New("the attempt was cut off, and the effect may or may not have been made")

// settledError is the failure of an effect that is recorded in its letter already.
type settledError struct{ error }

// Unwrap returns the failure.
func (e settledError) Unwrap() error { return e.error }

// actAll makes the effects of events one after the other. It moves the position past events
// of other types with the next effect, or at the end.
func (c *Consumer) actAll(ctx context.Context, deliveries []bus.Delivery) error {
	skipped := 0
	for i := range deliveries {
		one := deliveries[i : i+1]
		b, err := c.sort(ctx, one)
		if err != nil {
			return err
		}
		switch {
		case len(b.letters) > 0:
			err = c.commitLetters(ctx, one, b.letters)
		case len(b.fit) > 0:
			err = c.actOne(ctx, one, b.fit[0])
		default:
			skipped = i + 1
			continue
		}
		if err != nil {
			return err
		}
		skipped = 0
	}
	if skipped == 0 {
		return nil
	}
	return c.commit(ctx, c.after(deliveries[:skipped]), func(Tx) error { return nil })
}

// PointActed is the point at which an effect was made and is not recorded. Config.Hook is
// called there.
const PointActed = "acted"

// actOne makes the effect of one event.
func (c *Consumer) actOne(ctx context.Context, one []bus.Delivery, r received) error {
	if c.guarantee == AtMostOnce {
		return c.actAtMostOnce(ctx, one, r)
	}
	err := c.tryAct(ctx, r.event)
	switch {
	case err == nil:
		c.cfg.Hook(PointActed)
		return c.commitEffect(ctx, c.after(one))
	case ctx.Err() != nil || Transient(err):
		return err
	default:
		return c.commitLetters(ctx, one, []letter{c.failed(r, err)})
	}
}

// commitEffect moves the position past an event whose effect was made. If the position was
// reset meanwhile, it records the effect, so that the replay does not repeat it.
func (c *Consumer) commitEffect(ctx context.Context, to checkpoint) error {
	from := c.at
	err := c.commit(ctx, to, func(Tx) error { return nil })
	if !errors.Is(err, errFenced) {
		return err
	}
	// Another instance, or a resynchronisation, would have changed more than a reset does.
	recorded := c.cfg.DB.WithContext(ctx).Exec(`UPDATE positions SET seen_offset = ?, recent = ?
		WHERE subscriber = ? AND stream = ? AND seen_offset = ? AND recent = ? AND resume = ?`,
		to.seen, to.recent, c.cfg.Subscriber, c.cfg.Stream, from.seen, from.recent, from.resume).Error
	return errors.Join(err, recorded)
}

// actAtMostOnce commits the position with a claimed letter before the effect, and deletes the
// letter after it.
func (c *Consumer) actAtMostOnce(ctx context.Context, one []bus.Delivery, r received) error {
	claimed := c.newLetter(r, nil).Letter
	claimed.State, claimed.NextAt = deadletter.Acting, new(c.claimEnd())
	err := c.commit(ctx, c.after(one), func(tx Tx) (err error) {
		claimed, err = deadletter.Create(tx, claimed)
		return err
	})
	if err != nil {
		return err
	}
	c.stuck.add(r.event.Subject)
	err = c.tryAct(ctx, r.event)
	c.cfg.Hook(PointActed)
	finishing, cancel := context.WithTimeout(context.WithoutCancel(ctx), positionTimeout)
	defer cancel()
	switch db := c.cfg.DB.WithContext(finishing); {
	case err == nil:
		err = deadletter.Delete(db, claimed.ID)
		if err == nil {
			c.stuck.remove(r.event.Subject)
		}
		return err
	case Transient(err):
		defer c.wakeRetries()
		return deadletter.Postpone(db, time.Now().Add(c.cfg.RetryPause), claimed.ID)
	default:
		return c.retryFailed(finishing, claimed, err)
	}
}

// claimEnd returns the time after which a claimed effect counts as given up.
func (c *Consumer) claimEnd() time.Time { return time.Now().Add(c.cfg.Timeout + maxClockSkew) }

// tryAct makes one attempt at an effect. If its context ends during the attempt, an effect that
// is made at most once gets an error that is not Transient: nobody knows whether it was made.
func (c *Consumer) tryAct(ctx context.Context, e events.Event) (err error) {
	defer recovered(&err)
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	err = c.act(ctx, e)
	switch {
	case err == nil:
		return nil
	case c.guarantee == AtMostOnce && ctx.Err() != nil:
		return fmt.Errorf("act: %w: %s", errCutOff, err.Error())
	default:
		return fmt.Errorf("act: %w", err)
	}
}

// retryEffect makes the effect of a letter under a claim.
func (c *Consumer) retryEffect(ctx context.Context, l deadletter.Letter, e events.Event) error {
	if err := deadletter.Claim(ctx, c.cfg.DB, l.ID, c.claimEnd()); err != nil {
		return err
	}
	was := l.State
	l.State = deadletter.Acting
	err := c.tryAct(ctx, e)
	c.cfg.Hook(PointActed)
	finishing, cancel := context.WithTimeout(context.WithoutCancel(ctx), positionTimeout)
	defer cancel()
	switch {
	case err != nil && c.guarantee == AtMostOnce && !Transient(err):
		return settledError{errors.Join(err, c.retryFailed(finishing, l, err))}
	case err != nil:
		return errors.Join(err, deadletter.Unclaim(c.cfg.DB.WithContext(finishing), l.ID, was, l.NextAt))
	}
	err = dbtx.Run(c.cfg.DB.WithContext(finishing), func(tx *gorm.DB) error {
		if err := deadletter.Take(tx, l); err != nil {
			return err
		}
		return deadletter.Promote(tx, l)
	})
	if err != nil && c.guarantee == AtMostOnce {
		return settledError{err} // the claim stays until endClaims asks a person
	}
	return err
}

// endClaims ends claims whose time has passed, because their process ended. An effect that
// is made at least once is due again; any other waits for a person. A consumer of another kind
// retries the claims of an earlier version of its service.
func (c *Consumer) endClaims(ctx context.Context) error {
	expired, err := c.letters().Due(ctx, c.cfg.DB, deadletter.Acting, retryBatch)
	if err != nil {
		return err
	}
	for _, l := range expired {
		if c.guarantee == AtMostOnce {
			err = c.retryFailed(ctx, l, errOutcomeUnknown)
		} else {
			err = deadletter.Postpone(c.cfg.DB.WithContext(ctx), time.Now(), l.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
