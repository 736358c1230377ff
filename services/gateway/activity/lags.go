package activity

import (
	"context"
	"log/slog"
	"time"

	"gorm.io/gorm/clause"

	"quadrille/internal/db"
)

// Lag is how many events a reader was behind, at the most within a minute.
type Lag struct {
	At         time.Time `json:"at"         gorm:"primaryKey"` // when the minute began; filled in by who samples
	Subscriber string    `json:"subscriber" gorm:"primaryKey"`
	Stream     string    `json:"stream"     gorm:"primaryKey"`
	Lag        int64     `json:"lag"`
}

// lagSampler samples how far behind readers are. It runs in the instance that takes the
// notes; what it finds is for all of them, and outlives it.
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
			l.log.Warn("how far readers are behind is not kept; trying again soon", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return nil
}

// maxLags bounds one sample: more readers than any shop has.
const maxLags = 100

// runOnce takes a sample, and drops what no history reaches back to.
func (l *lagSampler) runOnce(ctx context.Context, at time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, l.interval)
	defer cancel()
	found := l.sample(ctx)
	found = found[:min(len(found), maxLags)]
	minute := at.UTC().Truncate(time.Minute)
	for i := range found {
		found[i].At = minute
	}
	if err := l.store.saveLags(ctx, found); err != nil {
		return err
	}
	return l.store.deleteLags(ctx, minute.Add(-maxHistory*time.Minute))
}

// saveLags keeps the larger where the minute has one already.
func (s *store) saveLags(ctx context.Context, found []Lag) error {
	if len(found) == 0 {
		return nil
	}
	larger := clause.OnConflict{
		Columns:   []clause.Column{{Name: "at"}, {Name: "subscriber"}, {Name: "stream"}},
		DoUpdates: clause.AssignmentColumns([]string{"lag"}),
		Where:     clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "excluded.lag > lags.lag"}}},
	}
	return db.Wrap(s.db.WithContext(ctx).Clauses(larger).Create(&found).Error, "keep lags")
}

func (s *store) deleteLags(ctx context.Context, before time.Time) error {
	return db.Wrap(s.db.WithContext(ctx).Where("at < ?", before).Delete(&Lag{}).Error, "drop lags")
}

// lags is what was kept from then on, oldest first.
func (s *store) lags(ctx context.Context, from time.Time) ([]Lag, error) {
	kept := []Lag{}
	err := s.db.WithContext(ctx).Where("at >= ?", from.UTC()).Order("at, subscriber, stream").Find(&kept).Error
	for i := range kept {
		kept[i].At = kept[i].At.UTC()
	}
	return kept, db.Wrap(err, "read lags")
}
