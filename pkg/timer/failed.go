package timer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/dberr"
	"quadrille/pkg/fault"
)

// transient reports whether firing may succeed later although the timers do not change. Any
// other error counts as that of a timer.
func transient(err error) bool {
	var f *fault.Fault
	if errors.As(err, &f) {
		return f.Kind == fault.Unavailable
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || dberr.Transient(err)
}

// maxErrorBytes bounds the error that is kept with a timer.
const maxErrorBytes = 4000

// maxPause bounds the pause before a timer is tried again.
const maxPause = 5 * time.Minute

// pauseAfter returns the pause after a number of failed attempts: a second after the first,
// and twice as long after each further one.
func pauseAfter(attempts int) time.Duration {
	return min(time.Second<<min(attempts-1, 30), maxPause)
}

// failed records that the handler failed with a timer, unless the timer was cancelled or
// set again in the meantime.
func (f *Firer) failed(ctx context.Context, t Timer, cause error, transact Transact) error {
	pause := pauseAfter(t.Attempts + 1)
	retry, arg := "?", any(now().Add(pause))
	if f.cfg.DB.Name() == "postgres" {
		retry, arg = "clock_timestamp() + ? * interval '1 microsecond'", pause.Microseconds()
	}
	sql, args := dueNow(f.cfg.DB.Name())
	var recorded bool
	err := transact(ctx, func(tx *gorm.DB) error {
		res := tx.Exec("UPDATE timers SET attempts = attempts + 1, error = ?, retry_at = "+retry+" WHERE kind = ? AND subject = ? AND "+sql,
			append([]any{dberr.Text(cause.Error(), maxErrorBytes), arg, t.Kind, t.Subject}, args...)...)
		recorded = res.RowsAffected > 0
		return res.Error
	})
	if err != nil {
		return fmt.Errorf("record failure of timer %s for %s: %w", t.Kind, t.Subject, err)
	}
	if recorded {
		f.cfg.Log.Error("timer failed; trying again later", "kind", t.Kind, "subject", t.Subject, "attempts", t.Attempts+1, "pause", pause.String(), "error", cause)
	}
	return nil
}

// Failure describes a timer whose handler fails.
type Failure struct {
	Kind, Subject, Error string
	DueAt                time.Time
	Attempts             int
}

// Failing counts the timers of these kinds whose handler failed, and returns the one that was
// due first.
func Failing(ctx context.Context, db *gorm.DB, kinds []string) (n int64, first Failure, err error) {
	failing := func() *gorm.DB { return db.WithContext(ctx).Table(Table).Where("attempts > 0 AND kind IN ?", kinds) }
	if err = failing().Count(&n).Error; err == nil && n > 0 {
		err = failing().Order("due_at").Limit(1).Scan(&first).Error
	}
	if err != nil {
		return 0, Failure{}, fmt.Errorf("find failing timers: %w", err)
	}
	return n, first, nil
}

// Count has the numbers of timers of one kind.
type Count struct {
	Waiting int64 // all
	Failing int64 // those whose handler failed
}

// Waiting counts the timers by kind, up to 1,000,000 in all.
func Waiting(ctx context.Context, db *gorm.DB) (map[string]Count, error) {
	const most = 1_000_000
	var rows []struct {
		Kind             string
		Waiting, Failing int64
	}
	err := db.WithContext(ctx).Raw(`SELECT kind, COUNT(*) AS waiting, SUM(CASE WHEN attempts > 0 THEN 1 ELSE 0 END) AS failing
		FROM (SELECT kind, attempts FROM timers LIMIT ?) AS waiting GROUP BY kind`, most).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("count timers: %w", err)
	}
	counts := make(map[string]Count, len(rows))
	for _, r := range rows {
		counts[r.Kind] = Count{Waiting: r.Waiting, Failing: r.Failing}
	}
	return counts, nil
}
