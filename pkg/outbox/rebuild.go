package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/bus"
	"quadrille/pkg/dbtx"
	"quadrille/pkg/events"
)

// ErrHistoryHoldsMore means that the history begins with an event that the outbox no longer
// has. After a rebuild, later consumers would miss that event.
var ErrHistoryHoldsMore = errors.New("history holds events that the outbox no longer has")

// Rebuild deletes the history and marks all events of the outbox unsent, except refused
// ones, so that the relay publishes them again, in order. It returns their number. Readers
// find another history, resynchronise and converge: events keep their IDs and feed numbers,
// and subjects their versions. Unless force is set, Rebuild returns an error that wraps
// ErrHistoryHoldsMore if the history has events that the outbox no longer has. If Rebuild is
// interrupted, call it again.
func (r *Relay) Rebuild(ctx context.Context, force bool) (total int64, err error) {
	r.busy.Lock() // wait until the present batch is marked, before all marks are removed
	defer r.busy.Unlock()
	err = dbtx.Once(r.cfg.DB.WithContext(ctx), func(tx *gorm.DB) error {
		if tx.Name() == "postgres" {
			if err := tx.Exec("SELECT pg_advisory_xact_lock(" + lockKey + ")").Error; err != nil {
				return fmt.Errorf("wait for the relay: %w", err)
			}
		}
		if !force {
			if err := r.holdsAll(ctx, tx); err != nil {
				return err
			}
		}
		if _, err := unsend(tx, time.Time{}); err != nil {
			return err
		}
		if err := tx.Model(&row{}).Where("due IS NOT NULL").Count(&total).Error; err != nil {
			return fmt.Errorf("count outbox: %w", err)
		}
		if err := r.cfg.Bus.Drop(ctx, r.cfg.Stream); err != nil {
			return err
		}
		return r.cfg.Bus.Publish(ctx, r.cfg.Stream, nil)
	})
	r.seen.known = bus.Position{}
	if err != nil {
		return 0, fmt.Errorf("rebuild history of %s: %w", r.cfg.Stream, err)
	}
	r.Wake()
	return total, nil
}

// dueNow returns the SQL expression for due that makes the relay read a row again.
func dueNow(db *gorm.DB) string {
	if db.Name() == "postgres" {
		return "pg_current_xact_id()"
	}
	return "1"
}

// unsend marks the events unsent that were sent at or after since, the zero time for all.
// It returns their number.
func unsend(db *gorm.DB, since time.Time) (int64, error) {
	res := db.Exec("UPDATE outbox SET sent_at = NULL, due = "+dueNow(db)+" WHERE sent_at >= ?", since.UTC())
	if res.Error != nil {
		return 0, fmt.Errorf("mark events unsent: %w", res.Error)
	}
	return res.RowsAffected, nil
}

// holdsAll checks that the history's first event is still in the outbox.
func (r *Relay) holdsAll(ctx context.Context, tx *gorm.DB) error {
	first, found, err := r.firstOfHistory(ctx)
	if err != nil || !found {
		return err
	}
	var n int64
	if err := tx.Model(&row{}).Where("event_id = ?", first).Limit(1).Count(&n).Error; err != nil {
		return fmt.Errorf("look for the history's first event: %w", err)
	}
	if n == 0 {
		return fmt.Errorf("%w: it begins with event %s", ErrHistoryHoldsMore, first)
	}
	return nil
}

// firstTimeout bounds the wait for the first event of a history.
const firstTimeout = 5 * time.Second

func (r *Relay) firstOfHistory(ctx context.Context) (id string, found bool, err error) {
	end, err := r.cfg.Bus.End(ctx, r.cfg.Stream)
	if err != nil || end.IsStart() {
		return "", false, err
	}
	s, err := r.cfg.Bus.Subscribe(ctx, r.cfg.Stream, bus.Position{})
	if err != nil {
		return "", false, err
	}
	defer s.Close() //nolint:errcheck // it was read
	ctx, cancel := context.WithTimeout(ctx, firstTimeout)
	defer cancel()
	first, err := s.Next(ctx, 1)
	if err != nil {
		return "", false, fmt.Errorf("read the history's first event: %w", err)
	}
	if e, err := events.Decode(first[0].Body); err == nil {
		return e.ID, true, nil
	}
	return first[0].ID, true, nil
}
