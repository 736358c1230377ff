package activity

import (
	"context"
	"math/rand/v2"
	"time"

	"quadrille/internal/platform/db"
)

// Workers returns the background work of the instance that records.
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
	pruneStep  = 1000 // activities deleted at a time, so that no reader waits for long
)

// prune deletes old activity every 30 to 90 s until ctx ends; then it returns nil.
func (l *Service) prune(ctx context.Context) error {
	for ctx.Err() == nil {
		pruned, err := l.pruneOnce(ctx, time.Now())
		switch {
		case err != nil && ctx.Err() == nil:
			l.cfg.Log.Warn("activity was not pruned; trying again later", "error", err)
		case pruned > 0:
			l.cfg.Log.Info("activity pruned", "activities", pruned, "kept_for", l.cfg.Keep.String())
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

// pruneOnce deletes all old activity and returns how much.
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

// prune deletes the oldest activities, up to step of them, that were recorded before
// the given time and precede the first that was not: what stays has no gap. The newest
// activity always stays, so that a client that saw it last has missed nothing.
func (s *store) prune(ctx context.Context, before time.Time, step int) (int64, error) {
	var oldest []Activity
	conn := s.db.WithContext(ctx)
	if err := conn.Select("seq", "seen_at").Order("seq").Limit(step + 1).Find(&oldest).Error; err != nil {
		return 0, db.Wrap(err, "find old activity")
	}
	n := 0
	for n < len(oldest)-1 && oldest[n].SeenAt.Before(before) {
		n++
	}
	if n == 0 {
		return 0, nil
	}
	gone := conn.Where("seq < ?", oldest[n].Seq).Delete(&Activity{})
	return gone.RowsAffected, db.Wrap(gone.Error, "prune activity")
}
