package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/dbtx"
	"quadrille/pkg/events"
)

// sqliteQueue needs no lock: only one process opens the file, and it has one relay. It needs
// no lower bound either: SQLite has one writer at a time, so IDs rise in the order of
// commits, and it removes deleted index entries at once.
type sqliteQueue struct{ db *gorm.DB }

// claim holds no transaction while it publishes, since that would block every writer.
func (q *sqliteQueue) claim(ctx context.Context, max int, publish func([]due) error) (sent int, more bool, err error) {
	db := q.db.WithContext(ctx)
	batch, err := q.read(db, max)
	if err != nil || len(batch) == 0 {
		return 0, false, err
	}
	if err := publish(batch); err != nil {
		return 0, false, err
	}
	if err := q.markSent(db, batch); err != nil {
		return 0, false, fmt.Errorf("mark events sent: %w", err)
	}
	return len(batch), len(batch) == max, nil
}

func (q *sqliteQueue) read(db *gorm.DB, max int) (batch []due, err error) {
	rows, err := db.Raw("SELECT id, sent_at IS NOT NULL, event_id, type, routing_key, body FROM outbox WHERE due IS NOT NULL ORDER BY id LIMIT ?", max).Rows()
	if err != nil {
		return nil, fmt.Errorf("read unsent events: %w", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	for rows.Next() {
		var d due
		m := &d.message
		if err := rows.Scan(&d.id, &d.sent, &m.ID, &m.Type, &m.RoutingKey, &m.Body); err != nil {
			return nil, fmt.Errorf("read unsent events: %w", err)
		}
		m.RoutingKey = events.FitRoutingKey(m.RoutingKey) // older versions wrote longer ones
		batch = append(batch, d)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read unsent events: %w", err)
	}
	return batch, nil
}

// markSent marks events as sent and gives each the next feed number, unless it has one from
// before a rebuild. The numbers come from the sequence of the IDs.
func (q *sqliteQueue) markSent(db *gorm.DB, batch []due) error {
	ids, err := json.Marshal([]int64(idsOf(batch)))
	if err != nil {
		return err
	}
	return dbtx.Once(db, func(tx *gorm.DB) error {
		var last int64
		err := tx.Raw("UPDATE sqlite_sequence SET seq = seq + ? WHERE name = ? RETURNING seq", len(batch), Table).Row().Scan(&last)
		if err != nil {
			return err
		}
		return tx.Exec(`UPDATE outbox SET sent_at = COALESCE(outbox.sent_at, ?), due = NULL, feed_no = COALESCE(outbox.feed_no, ? + given.key)
			FROM json_each(?) AS given WHERE outbox.id = given.value`, time.Now().UTC(), last-int64(len(batch))+1, string(ids)).Error
	})
}

// depth reads the index of due rows, which has no dead entries.
func (q *sqliteQueue) depth(ctx context.Context, limit int) (Waiting, error) {
	return depthOf(ctx, q.db, limit)
}
