package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"quadrille/internal/platform/ready"
	"quadrille/pkg/task"
	"quadrille/pkg/timer"
)

// timersEvery is the interval at which a service looks for due timers.
const timersEvery = 2 * time.Second

// timersTask returns the task that fires the timers of the service.
func (i *instance) timersTask(handlers map[string]timer.Handler) (task.Task, error) {
	firer, err := timer.NewFirer(timer.Config{DB: i.db, Handlers: handlers, OnCommit: i.wake, Hook: i.shop.at, Log: i.log})
	return task.Task{
		Name: FireTimers, Schedule: task.Every(timersEvery), Missed: task.Once,
		Do: func(ctx context.Context, run *task.Run) error {
			fired, err := firer.FireIn(ctx, run.Do)
			if fired > 0 {
				i.log.Info("timers fired", "timers", fired)
			}
			return err
		},
	}, err
}

// timersCheck returns the readiness check of a service that handles timers, or none. It is
// advisory: requests and events do not depend on timers. The check of the tasks reports a run
// that fails as a whole.
func (i *instance) timersCheck(handlers map[string]timer.Handler) []ready.Check {
	if len(handlers) == 0 {
		return nil
	}
	kinds := slices.Sorted(maps.Keys(handlers))
	return []ready.Check{{
		Name: "timers", Advisory: true, Every: outboxEvery,
		Remedy: "fix the cause; the timers wait and are tried again",
		Probe: func(ctx context.Context) ready.Finding {
			n, first, err := timer.Failing(ctx, i.db, kinds)
			if err == nil && n > 0 {
				err = fmt.Errorf("%d timers fail, such as %s for %s, due at %s, after %d attempts: %s",
					n, first.Kind, first.Subject, first.DueAt.UTC().Format(time.RFC3339), first.Attempts, first.Error)
			}
			return ready.Finding{Err: err}
		},
	}}
}
