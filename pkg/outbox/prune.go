package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"gorm.io/gorm"
)

// PruneConfig says how long sent events stay in the outbox.
type PruneConfig struct {
	DB    *gorm.DB
	Keep  time.Duration // from when they were sent
	Step  int           // rows deleted at a time; 1000 where 0
	Every time.Duration // 1 min where 0
	Log   *slog.Logger
}

// Pruner deletes sent events that are older than Keep: the oldest first, a small
// step at a time, so that no writer waits. Unsent and refused ones stay, however old;
// those that were discarded go when they were discarded long ago. One goroutine uses it.
type Pruner struct {
	cfg    PruneConfig
	floor  int64     // nothing with an ID up to here is to be pruned, as far as is known
	looked time.Time // when it began at the first row last
}

// lookEvery is how often a pruner begins at the first row. In between it begins where
// it ended, because deleted rows cost time for as long as any transaction has an older
// snapshot; what became prunable behind it waits for so long.
const lookEvery = time.Hour

// NewPruner makes a pruner. Run sets it going.
func NewPruner(cfg PruneConfig) (*Pruner, error) {
	if cfg.DB == nil || cfg.Keep <= 0 || cfg.Log == nil {
		return nil, errors.New("outbox pruner: DB, Keep and Log are needed")
	}
	if cfg.Step == 0 {
		cfg.Step = 1000
	}
	if cfg.Every == 0 {
		cfg.Every = time.Minute
	}
	return &Pruner{cfg: cfg}, nil
}

// Run prunes now and then until ctx ends; then it returns nil.
func (p *Pruner) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		pruned, err := p.RunOnce(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			p.cfg.Log.Warn("outbox was not pruned; trying again later", "error", err)
		case pruned > 0:
			p.cfg.Log.Info("outbox pruned", "events", pruned, "kept_for", p.cfg.Keep.String())
		}
		pause(ctx, jitter(p.cfg.Every), nil)
	}
	return nil
}

// RunOnce deletes all there is to delete and reports how many rows that were.
func (p *Pruner) RunOnce(ctx context.Context) (pruned int64, err error) {
	before := time.Now().UTC().Add(-p.cfg.Keep)
	if time.Since(p.looked) > lookEvery {
		p.floor, p.looked = 0, time.Now()
	}
	for ctx.Err() == nil {
		n, more, err := p.step(ctx, before)
		pruned += n
		if err != nil {
			return pruned, err
		}
		if !more {
			n, err := p.discarded(ctx, before)
			return pruned + n, err
		}
	}
	return pruned, ctx.Err()
}

// step deletes what is old enough of the next rows, up to the first that will become
// so later.
func (p *Pruner) step(ctx context.Context, before time.Time) (pruned int64, more bool, err error) {
	var next []struct {
		ID        int64
		SentAt    *time.Time
		RefusedAt *time.Time
	}
	db := p.cfg.DB.WithContext(ctx)
	err = db.Table(Table).Select("id", "sent_at", "refused_at").Where("id > ?", p.floor).Order("id").Limit(p.cfg.Step).Find(&next).Error
	if err != nil {
		return 0, false, fmt.Errorf("look for old events: %w", err)
	}
	n := 0
	for n < len(next) && (next[n].RefusedAt != nil || next[n].SentAt != nil && next[n].SentAt.Before(before)) {
		n++
	}
	if n == 0 {
		return 0, false, nil
	}
	res := db.Exec("DELETE FROM outbox WHERE id BETWEEN ? AND ? AND refused_at IS NULL AND sent_at < ?", next[0].ID, next[n-1].ID, before)
	if res.Error != nil {
		return 0, false, fmt.Errorf("prune outbox: %w", res.Error)
	}
	p.floor = next[n-1].ID
	return res.RowsAffected, n == p.cfg.Step, nil
}

// discarded deletes refused events that were discarded before a time.
func (p *Pruner) discarded(ctx context.Context, before time.Time) (int64, error) {
	res := p.cfg.DB.WithContext(ctx).Exec("DELETE FROM outbox WHERE refused_at IS NOT NULL AND discarded_at < ?", before)
	if res.Error != nil {
		return 0, fmt.Errorf("prune discarded events: %w", res.Error)
	}
	return res.RowsAffected, nil
}
