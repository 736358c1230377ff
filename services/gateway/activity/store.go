package activity

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/db"
)

// store keeps the notes.
type store struct {
	db           *gorm.DB
	cachedOrigin atomic.Pointer[origin] // once it was read
}

func columns() []string {
	return []string{"seq", "stream", "event_id", "type", "subject", "version", "customer", "correlation", "causation", "time", "seen_at"}
}

// values is a row of columns.
func (n Activity) values(seq int64, seen time.Time) []any {
	var customer any
	if n.Customer != "" {
		customer = n.Customer
	}
	return []any{seq, n.Stream, n.EventID, n.Type, n.Subject, n.Version, customer, n.Correlation, n.Causation, n.Time, seen}
}

// append notes what was not noted before, in its order. It holds the head from
// here to tx's end, so nothing slow belongs behind it.
func (s *store) append(tx *gorm.DB, notes []Activity) error {
	fresh, err := unrecorded(tx, notes)
	if err != nil || len(fresh) == 0 {
		return err
	}
	last, err := allocate(tx, len(fresh))
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

// unrecorded leaves out the events that have their note, and those that come twice.
func unrecorded(tx *gorm.DB, notes []Activity) ([]Activity, error) {
	ids := make([]string, len(notes))
	for i, n := range notes {
		ids[i] = n.EventID
	}
	var known []string
	if err := tx.Model(&Activity{}).Where("event_id IN ?", ids).Pluck("event_id", &known).Error; err != nil {
		return nil, db.Wrap(err, "look for notes")
	}
	noted := make(map[string]bool, len(notes))
	for _, id := range known {
		noted[id] = true
	}
	var fresh []Activity
	for _, n := range notes {
		if !noted[n.EventID] {
			fresh, noted[n.EventID] = append(fresh, n), true
		}
	}
	return fresh, nil
}

// skipNumber gives out a number for what is missing among the notes, so that whoever comes
// to it knows. One is enough until the next note.
func (s *store) skipNumber(tx *gorm.DB) error {
	err := tx.Exec("UPDATE activity_head SET last = last + 1 WHERE one = 1 AND EXISTS (SELECT 1 FROM activity WHERE seq = activity_head.last)").Error
	return db.Wrap(err, "skip a number")
}

// allocate gives out n numbers and returns the last of them.
func allocate(tx *gorm.DB, n int) (last int64, err error) {
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
func (s *store) between(ctx context.Context, after, upTo int64) ([]Activity, error) {
	var notes []Activity
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
func (s *store) after(ctx context.Context, seq int64, limit int) ([]Activity, error) {
	var notes []Activity
	err := s.db.WithContext(ctx).Where("seq > ?", seq).Order("seq").Limit(limit).Find(&notes).Error
	return notes, db.Wrap(err, "read notes")
}

// customers is whose the orders are, as far as notes of them say.
func (s *store) customers(ctx context.Context, orders []string) (map[string]string, error) {
	var rows []struct{ Subject, Customer string }
	err := s.db.WithContext(ctx).Model(&Activity{}).Distinct("subject", "customer").
		Where("subject IN ? AND customer IS NOT NULL", orders).Scan(&rows).Error
	known := make(map[string]string, len(rows))
	for _, r := range rows {
		known[r.Subject] = r.Customer
	}
	return known, db.Wrap(err, "look for customers of orders")
}

// perMinute is how many events of a type fell into a minute.
type perMinute struct {
	Minute int64 // since 1970
	Type   string
	Events int64
}

// countOrders counts what befell orders from then on, by minute and type.
func (s *store) countOrders(ctx context.Context, from time.Time) ([]perMinute, error) {
	minute := "CAST(strftime('%s', time) AS integer) / 60"
	if s.db.Name() == "postgres" {
		minute = "CAST(floor(extract(epoch FROM time) / 60) AS bigint)"
	}
	var rows []perMinute
	err := s.db.WithContext(ctx).Model(&Activity{}).Select(minute+" AS minute, type, COUNT(*) AS events").
		Where("stream = 'sales' AND time >= ?", from.UTC()).Group("1, 2").Scan(&rows).Error
	return rows, db.Wrap(err, "count orders")
}

// maxSubjectEvents is how many of a subject's latest events are followed.
const maxSubjectEvents = 50

// correlated is the newest notes of a correlation, up to limit, newest first.
func (s *store) correlated(ctx context.Context, correlation string, limit int) ([]Activity, error) {
	var notes []Activity
	err := s.db.WithContext(ctx).Where("correlation = ?", correlation).Order("seq DESC").Limit(limit).Find(&notes).Error
	return notes, db.Wrap(err, "read correlation")
}

// about is a subject's newest notes and, as far as limit goes, what else belongs to
// their correlations: those of the newest first. Newest notes count first within
// each, too, so that one import of a million lines costs no more than a short one.
func (s *store) about(ctx context.Context, subject string, limit int) ([]Activity, error) {
	var notes []Activity
	err := s.db.WithContext(ctx).Where("subject = ?", subject).Order("seq DESC").Limit(min(limit, maxSubjectEvents)).Find(&notes).Error
	if err != nil {
		return nil, db.Wrap(err, "read notes of subject")
	}
	here := map[int64]bool{}
	var correlations []string
	for _, n := range notes {
		here[n.Seq] = true
		if !slices.Contains(correlations, n.Correlation) {
			correlations = append(correlations, n.Correlation)
		}
	}
	for _, c := range correlations {
		if len(notes) >= limit {
			break
		}
		others, err := s.correlated(ctx, c, limit)
		if err != nil {
			return nil, err
		}
		others = slices.DeleteFunc(others, func(n Activity) bool { return here[n.Seq] })
		notes = append(notes, others[:min(len(others), limit-len(notes))]...)
	}
	return notes, nil
}
