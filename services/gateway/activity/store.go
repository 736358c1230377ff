package activity

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/db"
)

// store keeps the notes.
type store struct {
	db    *gorm.DB
	known atomic.Pointer[origin] // once it was read
}

func columns() []string {
	return []string{"seq", "stream", "event_id", "type", "subject", "version", "customer", "correlation", "causation", "time", "seen_at"}
}

// values is a row of columns.
func (n Note) values(seq int64, seen time.Time) []any {
	var customer any
	if n.Customer != "" {
		customer = n.Customer
	}
	return []any{seq, n.Stream, n.EventID, n.Type, n.Subject, n.Version, customer, n.Correlation, n.Causation, n.Time, seen}
}

// append notes what was not noted before, in its order. It holds the head from
// here to tx's end, so nothing slow belongs behind it.
func (s *store) append(tx *gorm.DB, notes []Note) error {
	fresh, err := unnoted(tx, notes)
	if err != nil || len(fresh) == 0 {
		return err
	}
	last, err := take(tx, len(fresh))
	if err != nil {
		return err
	}
	seen := db.Now() // with the head in hand: it rises with seq
	rows := make([][]any, len(fresh))
	for i, n := range fresh {
		rows[i] = n.values(last-int64(len(fresh)-1-i), seen)
	}
	for _, insert := range db.Insert("activity", columns(), rows) {
		if err := tx.Exec(insert.SQL, insert.Args...).Error; err != nil {
			return db.Wrap(err, "append notes")
		}
	}
	return nil
}

// unnoted leaves out the events that have their note, and those that come twice.
func unnoted(tx *gorm.DB, notes []Note) ([]Note, error) {
	ids := make([]string, len(notes))
	for i, n := range notes {
		ids[i] = n.EventID
	}
	var known []string
	if err := tx.Model(&Note{}).Where("event_id IN ?", ids).Pluck("event_id", &known).Error; err != nil {
		return nil, db.Wrap(err, "look for notes")
	}
	noted := make(map[string]bool, len(notes))
	for _, id := range known {
		noted[id] = true
	}
	var fresh []Note
	for _, n := range notes {
		if !noted[n.EventID] {
			fresh, noted[n.EventID] = append(fresh, n), true
		}
	}
	return fresh, nil
}

// skip gives out a number for what is missing among the notes, so that whoever comes
// to it knows. One is enough until the next note.
func (s *store) skip(tx *gorm.DB) error {
	err := tx.Exec("UPDATE activity_head SET last = last + 1 WHERE one = 1 AND EXISTS (SELECT 1 FROM activity WHERE seq = activity_head.last)").Error
	return db.Wrap(err, "skip a number")
}

// take gives out n numbers and returns the last of them.
func take(tx *gorm.DB, n int) (last int64, err error) {
	err = tx.Raw("UPDATE activity_head SET last = last + ? WHERE one = 1 RETURNING last", n).Scan(&last).Error
	if err == nil && last < int64(n) {
		err = errors.New("there is no head")
	}
	return last, db.Wrap(err, "take numbers")
}

// head is the number given out last; 0 before the first.
func (s *store) head(ctx context.Context) (last int64, err error) {
	err = s.db.WithContext(ctx).Raw("SELECT last FROM activity_head WHERE one = 1").Scan(&last).Error
	return last, db.Wrap(err, "read head of notes")
}

// between is the notes after one number, up to another, in order.
func (s *store) between(ctx context.Context, after, upTo int64) ([]Note, error) {
	var notes []Note
	err := s.db.WithContext(ctx).Where("seq > ? AND seq <= ?", after, upTo).Order("seq").Find(&notes).Error
	return notes, db.Wrap(err, "read notes")
}

// newest is the number of the newest note; 0 before the first. It is less than head
// where something is missing behind it.
func (s *store) newest(ctx context.Context) (seq int64, err error) {
	err = s.db.WithContext(ctx).Raw("SELECT COALESCE(MAX(seq), 0) FROM activity").Scan(&seq).Error
	return seq, db.Wrap(err, "read number of the newest note")
}

// after is up to limit notes that come after seq, in order.
func (s *store) after(ctx context.Context, seq int64, limit int) ([]Note, error) {
	var notes []Note
	err := s.db.WithContext(ctx).Where("seq > ?", seq).Order("seq").Limit(limit).Find(&notes).Error
	return notes, db.Wrap(err, "read notes")
}

// customers is whose the orders are, as far as notes of them say.
func (s *store) customers(ctx context.Context, orders []string) (map[string]string, error) {
	var rows []struct{ Subject, Customer string }
	err := s.db.WithContext(ctx).Model(&Note{}).Distinct("subject", "customer").
		Where("subject IN ? AND customer IS NOT NULL", orders).Scan(&rows).Error
	known := make(map[string]string, len(rows))
	for _, r := range rows {
		known[r.Subject] = r.Customer
	}
	return known, db.Wrap(err, "look for customers of orders")
}
