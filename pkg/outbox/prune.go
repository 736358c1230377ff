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
// step at a time, so that no writer waits. Unsent ones stay, however old.
type Pruner struct {
	cfg PruneConfig
}

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
	for ctx.Err() == nil {
		n, err := p.step(ctx, before)
		pruned += n
		if err != nil || n == 0 {
			return pruned, err
		}
	}
	return pruned, ctx.Err()
}

// step looks at the oldest rows only: they lie at the beginning of the table's
// key, so that it costs the same however long the outbox is.
func (p *Pruner) step(ctx context.Context, before time.Time) (int64, error) {
	res := p.cfg.DB.WithContext(ctx).Exec(`DELETE FROM outbox WHERE id IN
		(SELECT id FROM (SELECT id, sent_at FROM outbox ORDER BY id LIMIT ?) AS oldest WHERE sent_at < ?)`, p.cfg.Step, before)
	if res.Error != nil {
		return 0, fmt.Errorf("prune outbox: %w", res.Error)
	}
	return res.RowsAffected, nil
}
