// Package outbox implements the transactional outbox pattern: Append writes an event in the
// transaction of the change that it reports, the Relay publishes it to the log after the
// commit, and Feed reads it. So a change and its event cannot diverge.
package outbox

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/events"
)

// Table is the name of the outbox table.
const Table = "outbox"

// row is one event in the outbox table.
type row struct {
	ID         int64 `gorm:"primaryKey"`
	EventID    string
	Type       string
	Subject    string
	RoutingKey string
	Body       string
	CreatedAt  time.Time
	SentAt     *time.Time
}

// TableName implements gorm's Tabler.
func (row) TableName() string { return "outbox" }

// Append adds events to the outbox within tx, the caller's open transaction, in order. It
// sets correlation and causation from ctx if an event has none. It returns an Invalid fault
// for an event that can never be published. The caller must wake the relay after the commit.
func Append(ctx context.Context, tx *gorm.DB, news ...events.Event) error {
	if len(news) == 0 {
		return nil
	}
	rows := make([]row, len(news))
	for i, e := range news {
		var err error
		if rows[i], err = rowOf(ctx, e); err != nil {
			return err
		}
	}
	if err := tx.WithContext(ctx).CreateInBatches(rows, 1000).Error; err != nil {
		return fmt.Errorf("append to outbox: %w", err)
	}
	return nil
}

// Columns returns the columns for which Values has values.
func Columns() []string {
	return []string{"event_id", "type", "subject", "routing_key", "body", "created_at"}
}

// Values does the same as Append for callers that write the INSERT statement themselves: it
// returns one row per event, with a value for each of Columns. The caller must insert the
// rows in the transaction of the change.
func Values(ctx context.Context, news ...events.Event) ([][]any, error) {
	values := make([][]any, len(news))
	for i, e := range news {
		r, err := rowOf(ctx, e)
		if err != nil {
			return nil, err
		}
		values[i] = []any{r.EventID, r.Type, r.Subject, r.RoutingKey, r.Body, r.CreatedAt}
	}
	return values, nil
}

// rowOf returns the outbox row of e, or an error if e cannot be published.
func rowOf(ctx context.Context, e events.Event) (row, error) {
	e = e.Stamp(ctx)
	if err := e.Validate(); err != nil {
		return row{}, fmt.Errorf("append to outbox: %w", err)
	}
	body, err := e.Encode()
	if err != nil {
		return row{}, fmt.Errorf("append to outbox: %w", err)
	}
	if err := checkEvent(e, body); err != nil {
		return row{}, fmt.Errorf("append to outbox: %w", err)
	}
	return row{
		EventID: e.ID, Type: e.Type, Subject: e.Subject, RoutingKey: e.RoutingKey(),
		Body: string(body), CreatedAt: e.Time,
	}, nil
}

// Depth counts the unsent events, up to 1,000,000, and returns when the oldest of them was
// appended. It reads the whole outbox; Relay.Waiting is cheaper, since it starts at the
// relay's mark.
func Depth(ctx context.Context, db *gorm.DB) (unsent int64, oldest time.Time, err error) {
	w, err := depthOf(ctx, db, maxCounted)
	return w.Unsent, w.Oldest, err
}

func depthOf(ctx context.Context, db *gorm.DB, limit int) (w Waiting, err error) {
	var first []row
	db = db.WithContext(ctx)
	err = db.Raw("SELECT COUNT(*) FROM (SELECT 1 FROM outbox WHERE due IS NOT NULL AND sent_at IS NULL LIMIT ?) AS waiting", limit).Row().Scan(&w.Unsent)
	if err == nil && w.Unsent > 0 {
		err = db.Select("id", "created_at").Where("due IS NOT NULL AND sent_at IS NULL").Order("id").Limit(1).Find(&first).Error
	}
	if err != nil {
		return Waiting{}, fmt.Errorf("measure outbox: %w", err)
	}
	if len(first) > 0 {
		w.OldestID, w.Oldest = first[0].ID, first[0].CreatedAt
	}
	return w, nil
}
