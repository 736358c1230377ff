package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/dbtx"
)

// PruneConfig configures a Pruner. DB is required.
type PruneConfig struct {
	DB   *gorm.DB
	Step int // rows per DELETE; 0 means 1000
}

// Pruner deletes events that were sent, or discarded, before a time. It deletes the
// oldest first in small steps, so that writers do not wait. Unsent events and open refused
// ones stay, however old. A Pruner is for one goroutine.
type Pruner struct {
	cfg      PruneConfig
	floor    int64     // rows with IDs up to floor were handled
	restarts time.Time // last start at the first row
}

// restartEvery is the interval at which a pruner starts at the first row. In between it
// continues at its floor, because deleted rows slow a scan down for as long as any
// transaction has an older snapshot. A row below the floor may wait so long until it is
// deleted.
const restartEvery = time.Hour

// NewPruner returns a pruner. It deletes nothing until RunOnce is called.
func NewPruner(cfg PruneConfig) (*Pruner, error) {
	if cfg.DB == nil {
		return nil, errors.New("outbox pruner: DB is required")
	}
	if cfg.Step == 0 {
		cfg.Step = 1000
	}
	return &Pruner{cfg: cfg}, nil
}

// RunOnce deletes all events that were sent or discarded before a time, and returns their
// number. It calls do for each step.
func (p *Pruner) RunOnce(ctx context.Context, before time.Time, do dbtx.Do) (pruned int64, err error) {
	before = before.UTC()
	if time.Since(p.restarts) > restartEvery {
		p.floor, p.restarts = 0, time.Now()
	}
	for ctx.Err() == nil {
		n, more, err := p.step(ctx, before, do)
		pruned += n
		if err != nil {
			return pruned, err
		}
		if !more {
			n, err := p.discarded(ctx, before, do)
			return pruned + n, err
		}
	}
	return pruned, ctx.Err()
}

// step reads the next rows and deletes the old ones, up to the first row that is not old
// enough yet.
func (p *Pruner) step(ctx context.Context, before time.Time, do dbtx.Do) (pruned int64, more bool, err error) {
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
	pruned, err = deleted(ctx, do, "DELETE FROM outbox WHERE id BETWEEN ? AND ? AND refused_at IS NULL AND sent_at < ?", next[0].ID, next[n-1].ID, before)
	if err != nil {
		return 0, false, err
	}
	p.floor = next[n-1].ID
	return pruned, n == p.cfg.Step, nil
}

// discarded deletes refused events that were discarded before a time.
func (p *Pruner) discarded(ctx context.Context, before time.Time, do dbtx.Do) (int64, error) {
	var old int64
	err := p.cfg.DB.WithContext(ctx).Table(Table).Where("refused_at IS NOT NULL AND discarded_at < ?", before).Count(&old).Error
	switch {
	case err != nil:
		return 0, fmt.Errorf("look for discarded events: %w", err)
	case old == 0:
		return 0, nil
	}
	return deleted(ctx, do, "DELETE FROM outbox WHERE refused_at IS NOT NULL AND discarded_at < ?", before)
}

// deleted runs a DELETE of the outbox and returns the number of rows.
func deleted(ctx context.Context, do dbtx.Do, statement string, args ...any) (n int64, err error) {
	err = do(ctx, func(tx *gorm.DB) error {
		res := tx.Exec(statement, args...)
		n = res.RowsAffected
		return res.Error
	})
	if err != nil {
		return 0, fmt.Errorf("prune outbox: %w", err)
	}
	return n, nil
}
