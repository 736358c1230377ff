package activity

import (
	"context"
	"math/rand/v2"
	"time"

	"quadrille/internal/db"
)

// Workers are what else the instance runs that takes the notes.
func (l *Service) Workers() (all []func(context.Context) error) {
	if l.cfg.Keep > 0 {
		all = append(all, l.prune)
	}
	if l.cfg.Lags != nil {
		all = append(all, l.lagSampler().run)
	}
	return all
}

func (l *Service) lagSampler() *lagSampler {
	return &lagSampler{l.store, l.cfg.Log, l.cfg.Lags, l.cfg.LagInterval}
}

const (
	pruneEvery = time.Minute
	pruneStep  = 1000 // notes deleted at a time, so that no reader waits for long
)

// prune deletes old notes now and then until ctx ends; then it returns nil.
func (l *Service) prune(ctx context.Context) error {
	for ctx.Err() == nil {
		pruned, err := l.pruneOnce(ctx, time.Now())
		switch {
		case err != nil && ctx.Err() == nil:
			l.cfg.Log.Warn("notes were not pruned; trying again later", "error", err)
		case pruned > 0:
			l.cfg.Log.Info("notes pruned", "notes", pruned, "kept_for", l.cfg.Keep.String())
		}
		timer := time.NewTimer(pruneEvery/2 + rand.N(pruneEvery))
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// pruneOnce deletes all there is to delete and reports how many notes that were.
func (l *Service) pruneOnce(ctx context.Context, now time.Time) (pruned int64, err error) {
	for ctx.Err() == nil {
		n, err := l.store.prune(ctx, now.Add(-l.cfg.Keep), pruneStep)
		pruned += n
		if err != nil || n < pruneStep {
			return pruned, err
		}
	}
	return pruned, ctx.Err()
}

// prune deletes the oldest notes, up to step of them: those before the first that
// was taken at the time before or later, so that what stays has no gap. The newest
// note stays, however old: whoever saw it last has missed nothing.
func (s *store) prune(ctx context.Context, before time.Time, step int) (int64, error) {
	var oldest []Activity
	conn := s.db.WithContext(ctx)
	if err := conn.Select("seq", "seen_at").Order("seq").Limit(step + 1).Find(&oldest).Error; err != nil {
		return 0, db.Wrap(err, "look for old notes")
	}
	n := 0
	for n < len(oldest)-1 && oldest[n].SeenAt.Before(before) {
		n++
	}
	if n == 0 {
		return 0, nil
	}
	gone := conn.Where("seq < ?", oldest[n].Seq).Delete(&Activity{})
	return gone.RowsAffected, db.Wrap(gone.Error, "prune notes")
}
