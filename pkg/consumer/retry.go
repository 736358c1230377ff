package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/dbtx"
	"quadrille/pkg/deadletter"
	"quadrille/pkg/events"
)

const (
	// retryBatch bounds the letters of one call of RetryDue.
	retryBatch = 100
	// quietCheck is the interval at which a consumer without due letters looks for them.
	// Letters that it writes itself wake it.
	quietCheck = 10 * time.Second
	// retryShare bounds the time that retries take: after a full batch they pause for
	// so many times its duration.
	retryShare = 3
	// maxClockSkew is the assumed difference between the clocks of two hosts.
	maxClockSkew = time.Minute
)

// wakeRetries makes the retries look for due letters.
func (c *Consumer) wakeRetries() {
	select {
	case c.due <- struct{}{}:
	default:
	}
}

// runRetries retries due letters beside reading until ctx ends.
func (c *Consumer) runRetries(ctx context.Context) {
	for ctx.Err() == nil {
		began := time.Now()
		tried, waiting, err := c.RetryDue(ctx)
		var pause time.Duration
		switch {
		case err == nil && tried == retryBatch:
			pause = retryShare * time.Since(began)
		case err == nil && !waiting:
			pause = quietCheck
		default:
			pause = c.cfg.IdleCheck
		}
		wake := c.due
		if tried > 0 || waiting || err != nil {
			wake = nil // what is due is known
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// RetryDue retries letters that are due, at most 100, and returns their number. waiting
// reports whether there are others that become due by themselves. Run calls it; tests may. It
// may run beside RunOnce and Retry, but not beside itself. It returns an error only if that is
// transient.
func (c *Consumer) RetryDue(ctx context.Context) (tried int, waiting bool, err error) {
	if err := c.adopt(ctx); err != nil {
		return 0, true, err
	}
	letters, err := c.letters().Due(ctx, c.cfg.DB, deadletter.Parked, retryBatch)
	if err != nil {
		return 0, true, err
	}
	if len(letters) == 0 {
		waiting, err = c.letters().Waiting(ctx, c.cfg.DB)
		return 0, waiting, err
	}
	if c.ordered() {
		err = c.drainAll(ctx, letters)
	} else {
		err = c.retryTogether(ctx, letters)
	}
	return len(letters), true, err
}

// adoptEvery is the interval between two searches for letters that nobody would retry.
const adoptEvery = 5 * time.Second

// adopt makes letters due that nobody would retry otherwise: those that joined a sequence while
// its head was closed, and those of a converging consumer that was in order in an earlier
// version of its service. It also ends the claims of processes that ended.
func (c *Consumer) adopt(ctx context.Context) error {
	if time.Since(c.adopted) < adoptEvery {
		return nil
	}
	if err := c.endClaims(ctx); err != nil {
		return err
	}
	if err := c.letters().Adopt(ctx, c.cfg.DB); err != nil {
		return err
	}
	c.adopted = time.Now()
	return nil
}

// drainAll retries the sequences of letters that are due.
func (c *Consumer) drainAll(ctx context.Context, due []deadletter.Letter) error {
	for _, l := range due {
		if err := c.drain(ctx, l.Subject); err != nil {
			return err
		}
	}
	return nil
}

// drain retries the letters of a subject in order, up to the next failure.
func (c *Consumer) drain(ctx context.Context, subject string) error {
	for {
		l, found, err := c.letters().Head(ctx, c.cfg.DB, subject)
		if err != nil || !found || l.State != deadletter.Parked || l.NextAt == nil || l.NextAt.After(time.Now()) {
			return err
		}
		if err := c.retryOne(ctx, l); err != nil {
			return err
		}
	}
}

// retryOne retries a due letter and records a failure. It returns an error only if that is
// transient.
func (c *Consumer) retryOne(ctx context.Context, l deadletter.Letter) error {
	err := c.retry(ctx, l)
	var settled settledError
	switch {
	case err == nil:
		c.retried()
		return nil
	case errors.As(err, &settled):
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case isClosed(err): // a person was faster
		return nil
	case Transient(err):
		return errors.Join(err, deadletter.Postpone(c.cfg.DB.WithContext(ctx), time.Now().Add(c.cfg.RetryPause), l.ID))
	}
	return c.retryFailed(ctx, l, err)
}

// retried records that letters were closed by a retry.
func (c *Consumer) retried() {
	c.changes.Add(1)
	c.cfg.OnCommit()
}

func isClosed(err error) bool {
	return errors.Is(err, deadletter.ErrClosed) || errors.Is(err, deadletter.ErrActing) ||
		errors.Is(err, deadletter.ErrBehind) || errors.Is(err, deadletter.ErrNotFound)
}

// retryFailed records a failed attempt at a letter.
func (c *Consumer) retryFailed(ctx context.Context, l deadletter.Letter, cause error) error {
	next := c.nextAttempt(l.Attempts + 1)
	if c.guarantee == AtMostOnce {
		next = nil
	}
	if err := deadletter.Failed(c.cfg.DB.WithContext(ctx), l.ID, cause, next); err != nil {
		return err
	}
	if next == nil {
		c.changes.Add(1)
		attrs := []any{"letter", l.ID, "event", l.EventID, "type", l.Type, "subject", l.Subject, "attempts", l.Attempts + 1, "error", deadletter.Text(cause)}
		c.cfg.Log.Error("event failed for the last time; its dead letter waits for a person", append(attrs, stackOf(cause)...)...)
	}
	return nil
}

// retryTogether retries letters of a converging consumer as one batch, so that many letters
// need few call-backs.
func (c *Consumer) retryTogether(ctx context.Context, letters []deadletter.Letter) error {
	batch := make([]events.Event, 0, len(letters))
	for _, l := range letters {
		e, err := events.Decode(l.Body)
		if err != nil || !c.handles(e.Type) {
			return c.retryEach(ctx, letters)
		}
		batch = append(batch, e)
	}
	trying, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	found, err := c.probe(trying, batch)
	if err != nil {
		return c.postponeAll(ctx, letters, err)
	}
	err = c.closeHandled(trying, letters, found)
	if err != nil && ctx.Err() == nil && !Transient(err) { // Apply failed, or a person closed one of them
		return c.retryEach(ctx, letters)
	}
	if err != nil {
		return c.postponeAll(ctx, letters, err)
	}
	if len(found.parts) > 0 {
		c.retried()
	}
	for i, l := range letters {
		if found.done[i] {
			continue
		}
		if err := c.retryFailed(ctx, l, found.unfit[batch[i].Subject]); err != nil {
			return err
		}
	}
	return nil
}

func (c *Consumer) postponeAll(ctx context.Context, letters []deadletter.Letter, cause error) error {
	ids := make([]int64, len(letters))
	for i, l := range letters {
		ids[i] = l.ID
	}
	return errors.Join(cause, deadletter.Postpone(c.cfg.DB.WithContext(ctx), time.Now().Add(c.cfg.RetryPause), ids...))
}

// closeHandled applies what was fetched for letters, and closes the handled ones, in one
// transaction.
func (c *Consumer) closeHandled(ctx context.Context, letters []deadletter.Letter, found *fetched) (err error) {
	if len(found.parts) == 0 {
		return nil
	}
	defer recovered(&err)
	return dbtx.Run(c.cfg.DB.WithContext(ctx), func(tx *gorm.DB) error {
		versions := map[string]int64{}
		for i, l := range letters {
			if !found.done[i] {
				continue
			}
			if err := deadletter.Take(tx, l); err != nil {
				return err
			}
			versions[l.Subject] = max(versions[l.Subject], l.Version)
		}
		if err := found.apply(ctx, tx); err != nil {
			return err
		}
		return c.letters().Overtake(tx, versions)
	})
}

func (c *Consumer) retryEach(ctx context.Context, letters []deadletter.Letter) error {
	for _, l := range letters {
		if err := c.retryOne(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// Retry handles the event of an open or parked letter at once and closes the letter in the
// same transaction. If it fails again, the letter stays with the new error. Retry is safe for
// concurrent use, also while the consumer runs: of two concurrent retries one returns
// deadletter.ErrClosed or deadletter.ErrActing. If the consumer handles events in order and
// the letter waits behind another, Retry returns deadletter.ErrBehind; if the letter is the
// head of a sequence, the consumer continues with the letters behind it.
func (c *Consumer) Retry(ctx context.Context, l deadletter.Letter) error {
	if l.Closed() {
		return fmt.Errorf("%w: %d", deadletter.ErrClosed, l.ID)
	}
	err := c.retry(ctx, l)
	if err == nil {
		c.retried()
		c.wakeRetries()
		return nil
	}
	var settled settledError
	if ctx.Err() != nil || isClosed(err) || Transient(err) || errors.As(err, &settled) {
		return err
	}
	next := l.NextAt // a parked letter stays parked: the attempt was an additional one
	if l.State != deadletter.Parked {
		next = nil
	}
	return errors.Join(err, deadletter.Failed(c.cfg.DB.WithContext(ctx), l.ID, err, next))
}

// retry makes one attempt at a letter.
func (c *Consumer) retry(ctx context.Context, l deadletter.Letter) (err error) {
	defer recovered(&err)
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	if err := c.mayRetry(ctx, l); err != nil {
		return err
	}
	e, err := events.Decode(l.Body)
	if err != nil {
		return fmt.Errorf("event at offset %d: %w", l.Position, err)
	}
	if !c.handles(e.Type) { // no longer
		return c.closeRetried(ctx, l, func(Tx) error { return nil })
	}
	if c.kind == Effects {
		return c.retryEffect(ctx, l, e)
	}
	batch := []events.Event{e}
	write, err := c.fetch(ctx, batch)
	var unfit Unfit
	if errors.As(err, &unfit) && unfit[e.Subject] != nil {
		err = unfit[e.Subject]
	}
	if err != nil {
		return err
	}
	return c.closeRetried(ctx, l, func(tx Tx) error { return write(ctx, tx, batch) })
}

// mayRetry returns an error if a letter has to wait for an earlier one.
func (c *Consumer) mayRetry(ctx context.Context, l deadletter.Letter) error {
	if !c.ordered() || l.Subject == "" {
		return nil
	}
	head, found, err := c.letters().Head(ctx, c.cfg.DB, l.Subject)
	if err == nil && found && head.ID < l.ID {
		err = fmt.Errorf("%w: %d waits for %d", deadletter.ErrBehind, l.ID, head.ID)
	}
	return err
}

// closeRetried closes a letter in the transaction of its effect and continues its sequence.
func (c *Consumer) closeRetried(ctx context.Context, l deadletter.Letter, write func(Tx) error) error {
	return dbtx.Run(c.cfg.DB.WithContext(ctx), func(tx *gorm.DB) error {
		if err := deadletter.Take(tx, l); err != nil {
			return err
		}
		if err := write(tx); err != nil {
			return err
		}
		if c.ordered() {
			return deadletter.Promote(tx, l)
		}
		if l.Subject == "" {
			return nil
		}
		return c.letters().Overtake(tx, map[string]int64{l.Subject: l.Version})
	})
}
