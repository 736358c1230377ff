package deadletter

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// Discard closes an open letter for a reason. ErrClosed if somebody was faster.
func Discard(ctx context.Context, db *gorm.DB, id int64, reason string) error {
	if _, err := Find(ctx, db, id); err != nil {
		return err
	}
	return closeAs(db.WithContext(ctx), id, Discarded, reason)
}

// Take closes an open letter as retried through tx, the transaction of its
// effect: of two retries at once, one gets ErrClosed before it writes anything.
func Take(tx *gorm.DB, id int64) error { return closeAs(tx, id, Retried, "") }

func closeAs(tx *gorm.DB, id int64, state, reason string) error {
	res := tx.Exec("UPDATE dead_letters SET state = ?, reason = ?, closed_at = ? WHERE id = ? AND state = ?",
		state, reason, now(), id, Open)
	if res.Error != nil {
		return fmt.Errorf("close dead letter: %w", res.Error)
	}
	if res.RowsAffected == 0 {
		return fmt.Errorf("%w: %d", ErrClosed, id)
	}
	return nil
}

// Failed keeps that another try failed, and why.
func Failed(ctx context.Context, db *gorm.DB, id int64, cause error) error {
	err := db.WithContext(ctx).Exec("UPDATE dead_letters SET attempts = attempts + 1, error = ?, cause = ?, last_at = ? WHERE id = ? AND state = ?",
		Text(cause), CauseOf(Text(cause)), now(), id, Open).Error
	if err != nil {
		return fmt.Errorf("note failed retry: %w", err)
	}
	return nil
}

func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
