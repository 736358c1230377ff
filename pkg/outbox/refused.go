package outbox

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/fault"
)

// States of an event that the log refused.
const (
	RefusedOpen      = "open"      // waits for a retry, or to be discarded
	RefusedDiscarded = "discarded" // kept as a record until it is pruned
)

// Refused is an event that the log refuses because of its content, such as its size.
type Refused struct {
	ID            int64
	EventID       string
	Type          string
	Subject       string
	RoutingKey    string
	Body          string
	Refusal       string // the log's reason
	RefusedAt     time.Time
	DiscardedAt   *time.Time
	DiscardReason *string
}

// TableName implements gorm's Tabler.
func (Refused) TableName() string { return Table }

// State returns RefusedOpen or RefusedDiscarded.
func (r Refused) State() string {
	if r.DiscardedAt != nil {
		return RefusedDiscarded
	}
	return RefusedOpen
}

// inState selects the refused events in a state; "" selects all.
func inState(db *gorm.DB, state string) *gorm.DB {
	q := db.Model(&Refused{}).Where("refused_at IS NOT NULL")
	switch state {
	case RefusedOpen:
		q = q.Where("discarded_at IS NULL")
	case RefusedDiscarded:
		q = q.Where("discarded_at IS NOT NULL")
	}
	return q
}

// CountRefused counts the refused events in a state, "" for any.
func CountRefused(ctx context.Context, db *gorm.DB, state string) (n int64, err error) {
	if err := inState(db.WithContext(ctx), state).Count(&n).Error; err != nil {
		return 0, fmt.Errorf("count refused events: %w", err)
	}
	return n, nil
}

// ListRefused returns up to limit refused events in a state, "" for any, with IDs above
// after, oldest first.
func ListRefused(ctx context.Context, db *gorm.DB, state string, after int64, limit int) (found []Refused, err error) {
	err = inState(db.WithContext(ctx), state).Where("id > ?", after).Order("id").Limit(limit).Find(&found).Error
	if err != nil {
		return nil, fmt.Errorf("list refused events: %w", err)
	}
	return found, nil
}

// FindRefused returns one refused event, or a NotFound fault.
func FindRefused(ctx context.Context, db *gorm.DB, id int64) (Refused, error) {
	var found []Refused
	err := inState(db.WithContext(ctx), "").Where("id = ?", id).Limit(1).Find(&found).Error
	if err != nil {
		return Refused{}, fmt.Errorf("find refused event %d: %w", id, err)
	}
	if len(found) == 0 {
		return Refused{}, fault.New(fault.NotFound, "refused_event_unknown", "there is no refused event %d", id)
	}
	return found[0], nil
}

// RetryRefused marks a refused event, open or discarded, as unsent, so that the relay
// publishes it again. It returns a NotFound fault if there is none. The caller must wake the
// relay.
func RetryRefused(ctx context.Context, db *gorm.DB, id int64) error {
	return change(ctx, db, id, "", "due = "+dueNow(db)+", refused_at = NULL, refusal = NULL, discarded_at = NULL, discard_reason = NULL")
}

// RetryAllRefused marks all open refused events as unsent and returns their number. The
// caller must wake the relay.
func RetryAllRefused(ctx context.Context, db *gorm.DB) (int64, error) {
	res := db.WithContext(ctx).Exec("UPDATE outbox SET due = " + dueNow(db) + ", refused_at = NULL, refusal = NULL WHERE refused_at IS NOT NULL AND discarded_at IS NULL")
	if res.Error != nil {
		return 0, fmt.Errorf("retry refused events: %w", res.Error)
	}
	return res.RowsAffected, nil
}

// DiscardRefused discards an open refused event and stores the reason. It returns a NotFound
// fault if there is no such event, and a Conflict fault if it was discarded before.
func DiscardRefused(ctx context.Context, db *gorm.DB, id int64, reason string) error {
	return change(ctx, db, id, " AND discarded_at IS NULL", "discarded_at = ?, discard_reason = ?", time.Now().UTC(), reason)
}

func change(ctx context.Context, db *gorm.DB, id int64, where, set string, args ...any) error {
	res := db.WithContext(ctx).Exec("UPDATE outbox SET "+set+" WHERE id = ? AND refused_at IS NOT NULL"+where, append(args, id)...)
	if res.Error != nil {
		return fmt.Errorf("change refused event %d: %w", id, res.Error)
	}
	if res.RowsAffected == 0 {
		if _, err := FindRefused(ctx, db, id); err != nil {
			return err
		}
		return fault.New(fault.Conflict, "refused_event_closed", "event %d is discarded already", id)
	}
	return nil
}
