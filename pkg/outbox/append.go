package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/events"
)

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

// TableName is gorm's.
func (row) TableName() string { return "outbox" }

// Append writes events into the outbox through tx, the caller's open
// transaction, in their order. Why they happened is taken from ctx where the
// event does not say. After the commit the caller wakes the relay.
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

// rowOf is the row that tells of e.
func rowOf(ctx context.Context, e events.Event) (row, error) {
	e = e.Stamp(ctx)
	if err := e.Validate(); err != nil {
		return row{}, fmt.Errorf("append to outbox: %w", err)
	}
	body, err := e.Encode()
	if err != nil {
		return row{}, fmt.Errorf("append to outbox: %w", err)
	}
	return row{
		EventID: e.ID, Type: e.Type, Subject: e.Subject, RoutingKey: e.RoutingKey(),
		Body: string(body), CreatedAt: e.Time,
	}, nil
}

// Row is one event of a service's own feed.
type Row struct {
	ID   int64 // rises in the order in which the rows were written
	Body json.RawMessage
}

// Feed reads up to limit events that were sent, after the row with the ID after.
// Unsent ones are left out, so that a row that commits late is never passed by.
func Feed(ctx context.Context, db *gorm.DB, after int64, limit int) ([]Row, error) {
	var rows []row
	db = db.WithContext(ctx)
	var gate int64 // the oldest unsent row: what lies behind it may not be final yet
	err := db.Model(&row{}).Where("sent_at IS NULL").Select("COALESCE(MIN(id), 0)").Scan(&gate).Error
	if err != nil {
		return nil, fmt.Errorf("read feed: %w", err)
	}
	q := db.Select("id", "body").Where("id > ? AND sent_at IS NOT NULL", after)
	if gate > 0 {
		q = q.Where("id < ?", gate)
	}
	if err := q.Order("id").Limit(limit).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read feed: %w", err)
	}
	feed := make([]Row, len(rows))
	for i, r := range rows {
		feed[i] = Row{ID: r.ID, Body: json.RawMessage(r.Body)}
	}
	return feed, nil
}

// Depth is how many events wait to be sent, and since when the oldest does. The
// count stops at 1,000,000.
func Depth(ctx context.Context, db *gorm.DB) (unsent int64, oldest time.Time, err error) {
	var first []row
	db = db.WithContext(ctx)
	err = db.Raw("SELECT COUNT(*) FROM (SELECT 1 FROM outbox WHERE sent_at IS NULL LIMIT 1000000) AS waiting").Scan(&unsent).Error
	if err == nil && unsent > 0 {
		err = db.Select("created_at").Where("sent_at IS NULL").Order("id").Limit(1).Find(&first).Error
	}
	if err != nil {
		return 0, oldest, fmt.Errorf("measure outbox: %w", err)
	}
	if len(first) > 0 {
		oldest = first[0].CreatedAt
	}
	return unsent, oldest, nil
}
