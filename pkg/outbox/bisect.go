package outbox

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// bisector finds the event because of which the log refuses a batch. It halves the batch
// size after each refusal and doubles it after each success. Every batch has its own
// transaction, so a broker that closes the connection because of the event costs no
// progress.
type bisector struct {
	size, max int   // current and maximum batch size
	failing   int64 // outbox ID of the event that was refused alone last; 0 for none
	attempts  int   // refusals of that event alone
}

// maxRefusals is the number of times the log must refuse an event that is published alone,
// before the event is parked. A single refusal may be a coincidence with a broken connection.
const maxRefusals = 3

// refused records that a batch was refused, and reports whether its only event must be
// parked.
func (b *bisector) refused(batch []due) bool {
	if len(batch) > 1 {
		b.size = max(1, len(batch)/2)
		return false
	}
	b.size = 1
	if b.failing != batch[0].id {
		b.failing, b.attempts = batch[0].id, 0
	}
	b.attempts++
	return b.attempts >= maxRefusals
}

// published records that a batch was published.
func (b *bisector) published() {
	b.size = min(2*b.size, b.max)
	b.failing, b.attempts = 0, 0
}

// handleRefusal reduces the size of the next batch, or parks the only event of this one.
func (r *Relay) handleRefusal(ctx context.Context, batch []due, cause error) error {
	if !r.bisector.refused(batch) {
		return nil
	}
	r.bisector.failing, r.bisector.attempts = 0, 0
	d := batch[0]
	if err := park(ctx, r.cfg.DB, d.id, cause); err != nil {
		return err
	}
	r.cfg.Log.Error("event parked: the log refuses it; later events proceed", "stream", r.cfg.Stream,
		"outbox_id", d.id, "event_id", fmt.Sprintf("%.255s", d.message.ID), "error", cause)
	return nil
}

// park marks an event as refused, so that the relay skips it, unless it was sent in the
// meantime.
func park(ctx context.Context, db *gorm.DB, id int64, cause error) error {
	err := db.WithContext(ctx).Exec("UPDATE outbox SET due = NULL, refused_at = ?, refusal = ?, discarded_at = NULL, discard_reason = NULL WHERE id = ? AND due IS NOT NULL",
		time.Now().UTC(), cause.Error(), id).Error
	if err != nil {
		return fmt.Errorf("park event %d: %w", id, err)
	}
	return nil
}
