package task

import (
	"context"
	"time"
)

// StepClock adds a step to the database's clock, as the runner sees it. Call it before Run.
func (r *Runner) StepClock(step func() time.Duration) { r.table.step = step }

// Prepare does what the first poll does before it reads. Several runners of one SQLite file
// must be prepared before one of them starts a run, because a new process ends the runs of
// others.
func (r *Runner) Prepare(ctx context.Context) error {
	r.ready = true
	return r.prepare(ctx)
}
