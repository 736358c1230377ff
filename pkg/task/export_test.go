package task

import "time"

// StepClock adds a step to the database's clock, as the runner sees it. Call it before Run.
func (r *Runner) StepClock(step func() time.Duration) { r.table.step = step }
