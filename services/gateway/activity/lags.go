package activity

import (
	"context"
	"log/slog"
	"time"

	"gorm.io/gorm/clause"

	"quadrille/internal/platform/db"
)

// Lag is the largest number of events that a reader was behind within a minute.
type Lag struct {
	At         time.Time `json:"at"         gorm:"primaryKey"` // start of the minute; set by the sampler
	Subscriber string    `json:"subscriber" gorm:"primaryKey"`
	Stream     string    `json:"stream"     gorm:"primaryKey"`
	Lag        int64     `json:"lag"`
}

// lagSampler samples the lags of all readers. It runs in the instance that records.
// Samples are kept in the database, for all instances.
type lagSampler struct {
	store    *store
	log      *slog.Logger
	sample   func(context.Context) []Lag
	interval time.Duration
}

// run samples until ctx ends; then it returns nil.
func (l *lagSampler) run(ctx context.Context) error {
	tick := time.NewTicker(l.interval)
	defer tick.Stop()
	for ctx.Err() == nil {
		if err := l.runOnce(ctx, time.Now()); err != nil && ctx.Err() == nil {
			l.log.Warn("lags of readers were not saved; trying again soon", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return nil
}

// maxLags bounds one sample. No shop has more readers.
const maxLags = 100

// runOnce takes a sample.
func (l *lagSampler) runOnce(ctx context.Context, at time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, l.interval)
	defer cancel()
	found := l.sample(ctx)
	found = found[:min(len(found), maxLags)]
	minute := at.UTC().Truncate(time.Minute)
	for i := range found {
		found[i].At = minute
	}
	return l.store.saveLags(ctx, found)
}

// saveLags saves samples. If a minute has one already, the larger stays.
func (s *store) saveLags(ctx context.Context, found []Lag) error {
	if len(found) == 0 {
		return nil
	}
	larger := clause.OnConflict{
		Columns:   []clause.Column{{Name: "at"}, {Name: "subscriber"}, {Name: "stream"}},
		DoUpdates: clause.AssignmentColumns([]string{"lag"}),
		Where:     clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "excluded.lag > lags.lag"}}},
	}
	return db.Wrap(s.db.WithContext(ctx).Clauses(larger).Create(&found).Error, "save lags")
}

// lags returns the samples since from, oldest first.
func (s *store) lags(ctx context.Context, from time.Time) ([]Lag, error) {
	kept := []Lag{}
	err := s.db.WithContext(ctx).Where("at >= ?", from.UTC()).Order("at, subscriber, stream").Find(&kept).Error
	for i := range kept {
		kept[i].At = kept[i].At.UTC()
	}
	return kept, db.Wrap(err, "read lags")
}
