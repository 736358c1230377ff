package activity

import (
	"context"
	"time"
)

// pruneOnce deletes all activity that is too old at a time, as the task does.
func (l *Service) pruneOnce(ctx context.Context, now time.Time) (pruned int64, err error) {
	const limit = 1000
	for {
		n, err := pruneActivity(l.store.db.WithContext(ctx), now.Add(-l.cfg.Keep), limit)
		pruned += n
		if err != nil || n < limit {
			return pruned, err
		}
	}
}
