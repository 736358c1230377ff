package activity

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db"
)

// store keeps the activity in the gateway's database.
type store struct {
	db           *gorm.DB
	cachedOrigin atomic.Pointer[origin] // nil until it was read
}

func columns() []string {
	return []string{"seq", "stream", "event_id", "type", "subject", "version", "customer", "correlation", "causation", "time", "seen_at"}
}

// values returns the row in the order of columns.
func (n Activity) values(seq int64, seen time.Time) []any {
	var customer any
	if n.Customer != "" {
		customer = n.Customer
	}
	return []any{seq, n.Stream, n.EventID, n.Type, n.Subject, n.Version, customer, n.Correlation, n.Causation, n.Time, seen}
}

// append inserts activities that are not recorded yet, in order. It holds the row of
// activity_head until tx ends, so that nothing slow should follow.
func (s *store) append(tx *gorm.DB, activities []Activity) error {
	fresh, err := unrecorded(tx, activities)
	if err != nil || len(fresh) == 0 {
		return err
	}
	last, err := allocate(tx, len(fresh))
	if err != nil {
		return err
	}
	seen := db.Now() // while the head is locked: it rises with seq
	rows := make([][]any, len(fresh))
	for i, n := range fresh {
		rows[i] = n.values(last-int64(len(fresh)-1-i), seen)
	}
	for _, insert := range db.Insert("activity", columns(), rows) {
		if err := tx.Exec(insert.SQL, insert.Args...).Error; err != nil {
			return db.Wrap(err, "append activity")
		}
	}
	return nil
}

// unrecorded leaves out events that are recorded already, and duplicates.
func unrecorded(tx *gorm.DB, activities []Activity) ([]Activity, error) {
	ids := make([]string, len(activities))
	for i, n := range activities {
		ids[i] = n.EventID
	}
	var known []string
	if err := tx.Model(&Activity{}).Where("event_id IN ?", ids).Pluck("event_id", &known).Error; err != nil {
		return nil, db.Wrap(err, "find recorded events")
	}
	recorded := make(map[string]bool, len(activities))
	for _, id := range known {
		recorded[id] = true
	}
	var fresh []Activity
	for _, n := range activities {
		if !recorded[n.EventID] {
			fresh, recorded[n.EventID] = append(fresh, n), true
		}
	}
	return fresh, nil
}

// skipNumber allocates a number without an activity, which marks that activity is
// missing. One is enough until the next activity.
func (s *store) skipNumber(tx *gorm.DB) error {
	err := tx.Exec("UPDATE activity_head SET last = last + 1 WHERE one = 1 AND EXISTS (SELECT 1 FROM activity WHERE seq = activity_head.last)").Error
	return db.Wrap(err, "skip a number")
}

// allocate allocates n numbers and returns the last.
func allocate(tx *gorm.DB, n int) (last int64, err error) {
	err = tx.Raw("UPDATE activity_head SET last = last + ? WHERE one = 1 RETURNING last", n).Scan(&last).Error
	if err == nil && last < int64(n) {
		err = errors.New("activity_head has no row")
	}
	return last, db.Wrap(err, "allocate numbers")
}

// head returns the number allocated last; 0 before the first.
func (s *store) head(ctx context.Context) (last int64, err error) {
	err = s.db.WithContext(ctx).Raw("SELECT last FROM activity_head WHERE one = 1").Scan(&last).Error
	return last, db.Wrap(err, "read head of activity")
}

// between returns the activities after one number, up to another, in order.
func (s *store) between(ctx context.Context, after, upTo int64) ([]Activity, error) {
	var activities []Activity
	err := s.db.WithContext(ctx).Where("seq > ? AND seq <= ?", after, upTo).Order("seq").Find(&activities).Error
	return activities, db.Wrap(err, "read activity")
}

// newest returns the number of the newest activity; 0 before the first. It is less
// than head where activity is missing at the end.
func (s *store) newest(ctx context.Context) (seq int64, err error) {
	err = s.db.WithContext(ctx).Raw("SELECT COALESCE(MAX(seq), 0) FROM activity").Scan(&seq).Error
	return seq, db.Wrap(err, "read number of the newest activity")
}

// after returns up to limit activities that follow seq, in order.
func (s *store) after(ctx context.Context, seq int64, limit int) ([]Activity, error) {
	var activities []Activity
	err := s.db.WithContext(ctx).Where("seq > ?", seq).Order("seq").Limit(limit).Find(&activities).Error
	return activities, db.Wrap(err, "read activity")
}

// customers returns the customers of the orders, as far as they are recorded.
func (s *store) customers(ctx context.Context, orders []string) (map[string]string, error) {
	var rows []struct{ Subject, Customer string }
	err := s.db.WithContext(ctx).Model(&Activity{}).Distinct("subject", "customer").
		Where("subject IN ? AND customer IS NOT NULL", orders).Scan(&rows).Error
	known := make(map[string]string, len(rows))
	for _, r := range rows {
		known[r.Subject] = r.Customer
	}
	return known, db.Wrap(err, "read customers of orders")
}

// perMinute counts the events of a type in a minute.
type perMinute struct {
	Minute int64 // since 1970
	Type   string
	Events int64
}

// countOrders counts the events of orders since from, by minute and type.
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

// maxSubjectEvents bounds the subject's latest events whose correlations are followed.
const maxSubjectEvents = 50

// correlated returns the newest activities of a correlation, up to limit, newest
// first.
func (s *store) correlated(ctx context.Context, correlation string, limit int) ([]Activity, error) {
	var activities []Activity
	err := s.db.WithContext(ctx).Where("correlation = ?", correlation).Order("seq DESC").Limit(limit).Find(&activities).Error
	return activities, db.Wrap(err, "read correlation")
}

// about returns the newest activities of a subject and, up to limit, the other
// activities of their correlations, the newest correlation first. Within a correlation
// the newest come first, too, so that an import of a million lines costs no more than
// a short one.
func (s *store) about(ctx context.Context, subject string, limit int) ([]Activity, error) {
	var activities []Activity
	err := s.db.WithContext(ctx).Where("subject = ?", subject).Order("seq DESC").Limit(min(limit, maxSubjectEvents)).Find(&activities).Error
	if err != nil {
		return nil, db.Wrap(err, "read activity of subject")
	}
	here := map[int64]bool{}
	var correlations []string
	for _, n := range activities {
		here[n.Seq] = true
		if !slices.Contains(correlations, n.Correlation) {
			correlations = append(correlations, n.Correlation)
		}
	}
	for _, c := range correlations {
		if len(activities) >= limit {
			break
		}
		others, err := s.correlated(ctx, c, limit)
		if err != nil {
			return nil, err
		}
		others = slices.DeleteFunc(others, func(n Activity) bool { return here[n.Seq] })
		activities = append(activities, others[:min(len(others), limit-len(activities))]...)
	}
	return activities, nil
}
