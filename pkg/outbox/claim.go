package outbox

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/bus"
	"quadrille/pkg/dbtx"
)

// Points of the way at which RelayConfig.At is called.
const (
	AtClaimed   = "claimed"   // committed events were read and nothing is published
	AtPublished = "published" // the log has confirmed them and nothing is marked
)

// claim reads up to max unsent events in order, lets publish have them, and
// marks exactly those as sent if it succeeds. It never remembers a highest ID: a
// row with a lower one may commit later.
type claim func(ctx context.Context, db *gorm.DB, max int, publish func([]bus.Message) error) (sent int, err error)

// lockKey is the advisory lock of this schema's relays.
const lockKey = "hashtextextended(current_schema() || '.outbox', 0)"

// claimPostgres works under an advisory lock that lives and dies with its own
// transaction, so that one relay at a time publishes, whatever becomes of it. It
// holds no lock that a writer of the outbox would wait for.
func claimPostgres(ctx context.Context, db *gorm.DB, max int, publish func([]bus.Message) error) (sent int, err error) {
	err = dbtx.Once(db.WithContext(ctx), func(tx *gorm.DB) error {
		var mine bool
		if err := tx.Raw("SELECT pg_try_advisory_xact_lock(" + lockKey + ")").Row().Scan(&mine); err != nil || !mine {
			return err
		}
		ids, batch, err := unsent(tx, max)
		if err != nil || len(ids) == 0 {
			return err
		}
		// The marks are written while the log confirms; they count only if it does,
		// since anything else rolls them back.
		published := make(chan error, 1)
		go func() { published <- publish(batch) }()
		err = tx.Exec("UPDATE outbox SET sent_at = ? WHERE id = ANY(?::bigint[])", time.Now().UTC(), idList(ids)).Error
		sent = len(ids)
		return errors.Join(<-published, err)
	})
	if err != nil {
		return 0, fmt.Errorf("claim unsent events: %w", err)
	}
	return sent, nil
}

// idList is IDs as one PostgreSQL array: gorm would make a parameter of each.
type idList []int64

// Value is driver.Valuer's.
func (l idList) Value() (driver.Value, error) {
	list := []byte{'{'}
	for i, id := range l {
		if i > 0 {
			list = append(list, ',')
		}
		list = strconv.AppendInt(list, id, 10)
	}
	return string(append(list, '}')), nil
}

// claimSQLite needs no lock, since a file belongs to one process and that has
// one relay; and it holds no transaction while it publishes, since that would
// keep every writer out.
func claimSQLite(ctx context.Context, db *gorm.DB, max int, publish func([]bus.Message) error) (sent int, err error) {
	db = db.WithContext(ctx)
	ids, batch, err := unsent(db, max)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	if err := publish(batch); err != nil {
		return 0, err
	}
	// Between the first and the last of what was read there is nothing unsent but
	// what was read: one writer at a time gives out IDs in order.
	err = db.Exec("UPDATE outbox SET sent_at = ? WHERE sent_at IS NULL AND id BETWEEN ? AND ?",
		time.Now().UTC(), ids[0], ids[len(ids)-1]).Error
	if err != nil {
		return 0, fmt.Errorf("mark events sent: %w", err)
	}
	return len(ids), nil
}

func unsent(db *gorm.DB, max int) (ids []int64, batch []bus.Message, err error) {
	rows, err := db.Raw("SELECT id, event_id, type, routing_key, body FROM outbox WHERE sent_at IS NULL ORDER BY id LIMIT ?", max).Rows()
	if err != nil {
		return nil, nil, fmt.Errorf("read unsent events: %w", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	for rows.Next() {
		var id int64
		var m bus.Message
		if err := rows.Scan(&id, &m.ID, &m.Type, &m.RoutingKey, &m.Body); err != nil {
			return nil, nil, fmt.Errorf("read unsent events: %w", err)
		}
		ids, batch = append(ids, id), append(batch, m)
	}
	if err := rows.Err(); err != nil {
		return nil, nil, fmt.Errorf("read unsent events: %w", err)
	}
	return ids, batch, nil
}
