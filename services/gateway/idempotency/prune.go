package idempotency

import (
	"context"
	"log/slog"
	"time"
)

// Pruner returns a worker that deletes old answers every minute, up to 1,000 at a time,
// until its ctx ends.
func Pruner(store *Store, log *slog.Logger) func(context.Context) error {
	const every, atOnce = time.Minute, 1000
	return func(ctx context.Context) error {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C:
			}
			for n := int64(atOnce); n == atOnce && ctx.Err() == nil; {
				var err error
				if n, err = store.Prune(ctx, atOnce); err != nil {
					log.Warn("idempotency answers were not pruned; trying again in a minute", "error", err)
				}
			}
		}
	}
}
