package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"quadrille/internal/platform/ready"
	"quadrille/pkg/timer"
)

// timerChecks returns the readiness checks of a service that handles timers. They are
// advisory: requests and events do not depend on timers.
func (i *instance) timerChecks(handlers map[string]timer.Handler) []ready.Check {
	if len(handlers) == 0 {
		return nil
	}
	kinds := slices.Sorted(maps.Keys(handlers))
	return []ready.Check{{
		Name: "timers", Advisory: true, Every: outboxEvery,
		Remedy: "fix the cause; the timers wait and fire then",
		Probe: func(ctx context.Context) ready.Finding {
			if s := i.timers.Status(); s.Err != "" {
				return ready.Finding{Err: errors.New(s.Err), Since: s.Since} //nolint:err113 // the message of the last run
			}
			n, first, err := timer.Failing(ctx, i.db, kinds)
			if err == nil && n > 0 {
				err = fmt.Errorf("%d timers fail, such as %s for %s, due at %s, after %d attempts: %s",
					n, first.Kind, first.Subject, first.DueAt.UTC().Format("2006-01-02T15:04:05Z"), first.Attempts, first.Error)
			}
			return ready.Finding{Err: err}
		},
	}}
}
