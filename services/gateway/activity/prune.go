package activity

import (
	"context"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/db"
	"quadrille/pkg/task"
)

// Workers returns the background work of the instance that records.
func (l *Service) Workers() (all []func(context.Context) error) {
	if l.cfg.Lags != nil {
		all = append(all, l.lagSampler().run)
	}
	return all
}

func (l *Service) lagSampler() *lagSampler {
	return &lagSampler{l.store, l.cfg.Log, l.cfg.Lags, l.cfg.LagInterval}
}

// Names of the tasks.
const (
	PruneActivity = "prune_activity"
	PruneLags     = "prune_lags"
)

// Tasks returns the periodic tasks that delete old activity and lags.
func (l *Service) Tasks() []task.Task {
	const every = 10 * time.Minute
	all := []task.Task{app.PruneTask(PruneLags, every, maxHistory*time.Minute, pruneLags)}
	if l.cfg.Keep > 0 {
		all = append(all, app.PruneTask(PruneActivity, time.Minute, l.cfg.Keep, pruneActivity))
	}
	return all
}

// pruneActivity deletes the oldest activities, up to limit of them, that were recorded before
// the given time and precede the first that was not: what stays has no gap. The newest
// activity always stays, so that a client that saw it last has missed nothing.
func pruneActivity(tx *gorm.DB, before time.Time, limit int) (int64, error) {
	var oldest []Activity
	if err := tx.Select("seq", "seen_at").Order("seq").Limit(limit + 1).Find(&oldest).Error; err != nil {
		return 0, db.Wrap(err, "find old activity")
	}
	n := 0
	for n < len(oldest)-1 && oldest[n].SeenAt.Before(before) {
		n++
	}
	if n == 0 {
		return 0, nil
	}
	gone := tx.Where("seq < ?", oldest[n].Seq).Delete(&Activity{})
	return gone.RowsAffected, db.Wrap(gone.Error, "prune activity")
}

// pruneLags deletes the lags of the minutes before a time, and returns 0: they are few.
func pruneLags(tx *gorm.DB, before time.Time, _ int) (int64, error) {
	return 0, db.Wrap(tx.Where("at < ?", before.UTC().Truncate(time.Minute)).Delete(&Lag{}).Error, "prune lags")
}
