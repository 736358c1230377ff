package outbox

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// aim finds the event for whose sake the log refuses a batch: it halves the batch with
// each refusal, and doubles it with each success. Every batch is a transaction of its
// own, so that a broker which closes the connection over the event costs no progress.
type aim struct {
	window, most int   // events published at a time, now and at the most
	suspect      int64 // the event that was refused alone last; 0 for none
	tries        int   // how often the suspect was refused alone
}

// refusedAlone is how often the log must refuse an event that is published alone, before
// it is set aside: a connection may break by coincidence.
const refusedAlone = 3

// miss takes note of a batch that was refused, and reports whether its only event is
// to be set aside.
func (a *aim) miss(batch []due) bool {
	if len(batch) > 1 {
		a.window = max(1, len(batch)/2)
		return false
	}
	a.window = 1
	if a.suspect != batch[0].id {
		a.suspect, a.tries = batch[0].id, 0
	}
	a.tries++
	return a.tries >= refusedAlone
}

// hit takes note of a batch that was published.
func (a *aim) hit() {
	a.window = min(2*a.window, a.most)
	a.suspect, a.tries = 0, 0
}

// refuse narrows the next batch, or sets aside the only event of this one.
func (r *Relay) refuse(ctx context.Context, batch []due, why error) error {
	if !r.aim.miss(batch) {
		return nil
	}
	r.aim.suspect, r.aim.tries = 0, 0
	d := batch[0]
	if err := setAside(ctx, r.cfg.DB, d.id, why); err != nil {
		return err
	}
	r.cfg.Log.Error("event set aside: the log refuses it; later events proceed", "stream", r.cfg.Stream,
		"outbox_id", d.id, "event_id", fmt.Sprintf("%.255s", d.message.ID), "error", why)
	return nil
}

// setAside takes an event out of the relay's way, unless it was sent meanwhile.
func setAside(ctx context.Context, db *gorm.DB, id int64, why error) error {
	err := db.WithContext(ctx).Exec("UPDATE outbox SET due = NULL, refused_at = ?, refusal = ?, discarded_at = NULL, discard_reason = NULL WHERE id = ? AND due IS NOT NULL",
		time.Now().UTC(), why.Error(), id).Error
	if err != nil {
		return fmt.Errorf("set event %d aside: %w", id, err)
	}
	return nil
}
