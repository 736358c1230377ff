package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/bus"
	"quadrille/pkg/dbtx"
)

const (
	// verifyTimeout bounds one verification, which may have to mark millions of events.
	verifyTimeout = 10 * time.Minute
	// backlogFactor multiplies the interval of verifications while the outbox does not drain.
	backlogFactor = 6
	// maxClockSkew is the assumed difference between the clocks of instances that mark
	// events as sent.
	maxClockSkew = time.Minute
)

// verification records the results of verifying the history.
type verification struct {
	// Of the last verification that found no loss. Guarded by Relay.busy.
	began  time.Time
	known  bus.Position // of the newest event
	newest sentRow

	// Guarded by Relay.mu.
	tried  time.Time // begin of the last verification
	losses uint      // consecutive verifications that found a loss
}

// sentRow is an event that is marked sent.
type sentRow struct {
	ID      int64
	EventID string
	SentAt  time.Time
}

// VerifySoon makes the relay verify its history before the next batch. Readers call it when
// they do not find the history.
func (r *Relay) VerifySoon() {
	r.mu.Lock()
	r.verifySoon = true
	r.mu.Unlock()
	r.Wake()
}

// History returns the reason why consumers cannot rely on the history at the moment: the log
// is misconfigured, or the history was lost and is being published again. It returns nil if
// no such problem is known.
func (r *Relay) History() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.problem
}

// verifyDue reports whether the history must be verified before the next batch. drained
// means that the last batch emptied the outbox.
func (r *Relay) verifyDue(drained bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	every := r.cfg.Verify << min(r.seen.losses, 6)
	if !drained {
		every *= backlogFactor
	}
	return r.verifySoon || r.seen.tried.IsZero() || time.Since(r.seen.tried) >= every
}

// Verify checks that the history holds the events that the outbox has marked sent, and that
// published events reach it. If the history was deleted or replaced, Verify marks all events
// of the outbox unsent; if the newest events are missing, it marks those unsent that were
// sent since the last verification. The relay then publishes them again with the same IDs.
//
// mine is false if another instance is publishing; then Verify did nothing.
func (r *Relay) Verify(ctx context.Context) (mine bool, err error) {
	r.busy.Lock()
	defer r.busy.Unlock()
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	began := time.Now()
	var lost error
	var again int64
	mine, err = r.alone(ctx, func(db *gorm.DB) (err error) {
		lost, again, err = r.compare(ctx, db, began)
		return err
	})
	if err == nil && mine && lost != nil {
		r.seen.known = bus.Position{}
		err = r.cfg.Bus.Publish(ctx, r.cfg.Stream, nil) // after the commit: whoever finds the history relies on the marks
	}
	if mine || err != nil {
		r.verified(began, lost, again, err)
	}
	if err != nil {
		return mine, fmt.Errorf("verify history of %s: %w", r.cfg.Stream, err)
	}
	return mine, nil
}

// compare looks for the newest sent event in the log. If events are missing, it returns the
// reason in lost, and in again the number of events that it marked unsent.
func (r *Relay) compare(ctx context.Context, db *gorm.DB, began time.Time) (lost error, again int64, err error) {
	newest, err := newestSent(db)
	if err != nil {
		return nil, 0, err
	}
	if r.seen.known, err = r.stillKnown(db); err != nil {
		return nil, 0, err
	}
	at, err := r.cfg.Bus.Verify(ctx, r.cfg.Stream, bus.Published{ID: newest.EventID, At: newest.SentAt}, r.seen.known)
	var since time.Time
	switch {
	case err == nil:
		r.seen.known, r.seen.began, r.seen.newest = at, began, newest
		return nil, 0, nil
	case errors.Is(err, bus.ErrEventsMissing):
		if since, err = r.lostSince(ctx, db); err != nil {
			return nil, 0, err
		}
		lost = bus.ErrEventsMissing
	case errors.Is(err, bus.ErrNoStream), errors.Is(err, bus.ErrHistoryChanged):
		lost = err
	default:
		return nil, 0, err
	}
	again, err = unsend(db, since)
	return lost, again, err
}

// lostSince returns the time since which sent events may be missing; the zero time means
// that all may be missing.
func (r *Relay) lostSince(ctx context.Context, db *gorm.DB) (time.Time, error) {
	if !r.seen.began.IsZero() {
		return r.seen.began.Add(-maxClockSkew), nil
	}
	end, err := r.cfg.Bus.End(ctx, r.cfg.Stream)
	if err != nil || end.IsStart() {
		return time.Time{}, err
	}
	var last []row
	if err := db.Select("sent_at").Where("event_id = ? AND sent_at IS NOT NULL", end.ID).Limit(1).Find(&last).Error; err != nil {
		return time.Time{}, fmt.Errorf("look for the history's last event: %w", err)
	}
	if len(last) == 0 {
		return time.Time{}, nil
	}
	return last[0].SentAt.Add(-maxClockSkew), nil
}

// alone calls do while no relay publishes from this outbox. If another instance's relay is
// publishing, it does nothing and returns false.
func (r *Relay) alone(ctx context.Context, do func(db *gorm.DB) error) (mine bool, err error) {
	db := r.cfg.DB.WithContext(ctx)
	if db.Name() != "postgres" {
		return true, do(db) // a file has only this relay, and the caller holds busy
	}
	err = dbtx.Once(db, func(tx *gorm.DB) error {
		if err := tx.Raw("SELECT pg_try_advisory_xact_lock(" + lockKey + ")").Row().Scan(&mine); err != nil || !mine {
			return err
		}
		return do(tx)
	})
	return mine, err
}

// newestSent returns the event that was marked sent last, or the zero sentRow. It reads only
// the last 2,000 rows: few later rows can have older marks.
func newestSent(db *gorm.DB) (newest sentRow, err error) {
	err = db.Raw(`SELECT id, event_id, sent_at FROM
		(SELECT id, event_id, sent_at FROM outbox WHERE sent_at IS NOT NULL ORDER BY id DESC LIMIT 2000) AS newest
		ORDER BY sent_at DESC, id DESC LIMIT 1`).Scan(&newest).Error
	if err != nil {
		return sentRow{}, fmt.Errorf("look for the newest sent event: %w", err)
	}
	return newest, nil
}

// stillKnown returns the position of the last verification. It returns the zero position if
// another instance has published events again since then, so that the position belongs to an
// earlier history.
func (r *Relay) stillKnown(db *gorm.DB) (bus.Position, error) {
	var now []row
	if err := db.Select("sent_at").Where("id = ?", r.seen.newest.ID).Find(&now).Error; err != nil {
		return bus.Position{}, fmt.Errorf("look for the event that was verified: %w", err)
	}
	if len(now) == 1 && (now[0].SentAt == nil || !now[0].SentAt.Equal(r.seen.newest.SentAt)) {
		return bus.Position{}, nil
	}
	return r.seen.known, nil
}

// verified records the result of a verification and logs a loss.
func (r *Relay) verified(began time.Time, lost error, again int64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.verifySoon = err != nil
	if err == nil {
		r.seen.tried = began
	}
	switch {
	case errors.Is(err, bus.ErrMisconfigured):
		if !errors.Is(r.problem, bus.ErrMisconfigured) {
			r.cfg.Log.Error("the event log cannot be used as it is set up; events stay in the outbox", "stream", r.cfg.Stream, "error", err)
		}
		r.problem = err
	case again > 0:
		r.seen.losses++
		r.problem = fmt.Errorf("the history of %s was lost; %d events are published again: %w", r.cfg.Stream, again, lost)
		r.cfg.Log.Warn("history was lost; publishing events of the outbox again", "stream", r.cfg.Stream, "events", again, "error", lost)
	case err == nil:
		r.seen.losses = 0
		if errors.Is(r.problem, bus.ErrMisconfigured) {
			r.problem = nil
		}
	}
}

// restored records that the whole outbox is published again.
func (r *Relay) restored() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.problem != nil && !errors.Is(r.problem, bus.ErrMisconfigured) {
		r.problem = nil
		r.cfg.Log.Info("history holds the events of the outbox again", "stream", r.cfg.Stream)
	}
}
