package gateway

import (
	"context"
	"log/slog"
	"time"

	"quadrille/services/gateway/answers"
)

// pruner forgets old answers, a few at a time.
func pruner(store *answers.Store, log *slog.Logger) func(context.Context) error {
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
					log.Warn("old answers are not forgotten", "error", err)
				}
			}
		}
	}
}
