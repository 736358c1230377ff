// Package task runs periodic tasks once in a cluster. Every instance of a service has a
// Runner with the same tasks; a row for each task in the service's database decides which
// instance runs it, and when.
//
// A run holds its row like a lease and renews it. If its instance dies, another one finds the
// row unchanged for the lease's time and takes over. Writes of a run go through Run.Do, which
// checks the run's fencing token in the same transaction: an instance that was stopped and
// continues after another took over cannot write.
//
// The database's clock plans the runs. Whether a run is alive is measured by each instance's
// monotonic clock, so a step of the database's clock neither starts a second run nor keeps a
// dead one.
package task

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Missed says what happens to a planned run that no instance could start in time, or whose
// instance died.
type Missed int

const (
	// Skip drops the run: the task runs at its next planned time.
	Skip Missed = iota
	// Once starts one run as soon as possible, however many were missed.
	Once
)

// Task describes a periodic task. Name, Schedule and Do are required.
type Task struct {
	Name     string // such as prune_outbox; unique in the service
	Schedule Schedule
	Missed   Missed
	// Limit is the time after which the context of Do ends; 0 means DefaultLimit.
	Limit time.Duration
	// Do does the work. It must write through Run.Do, and return when ctx ends. If it does
	// not return, the task does not run in this instance again. A panic is a failure. Do may
	// run again for the same planned time after its instance died, so it must be repeatable.
	Do func(ctx context.Context, run *Run) error
}

// DefaultLimit is the time limit of a task that sets none.
const DefaultLimit = 10 * time.Minute

// maxRetries bounds the runs in a row that are repeated at once because their instance died:
// they may be the reason why it dies.
const maxRetries = 3

// ErrLost is matched by the errors of Run.Do when the run has lost its lease. It is also the
// cause with which the context of Task.Do ends then.
var ErrLost = errors.New("the run lost its lease")

// ErrTimedOut is the cause with which the context of Task.Do ends after Task.Limit.
var ErrTimedOut = errors.New("the run exceeded its time limit")

// errStopped is the cause with which the context of Task.Do ends when its instance stops.
var errStopped = errors.New("the instance stopped during the run")

// filled returns the task with its defaults, or an error if it is incomplete.
func (t Task) filled() (Task, error) {
	switch {
	case t.Name == "":
		return t, errors.New("a task has no name")
	case !t.Schedule.valid():
		return t, fmt.Errorf("task %s has no schedule: use task.Every with a positive duration, or task.Daily", t.Name)
	case t.Do == nil:
		return t, fmt.Errorf("task %s has no function", t.Name)
	case t.Limit < 0:
		return t, fmt.Errorf("task %s has the negative time limit %s", t.Name, t.Limit)
	}
	if t.Limit == 0 {
		t.Limit = DefaultLimit
	}
	return t, nil
}

// Outcomes of a run.
const (
	Succeeded = "succeeded"
	Failed    = "failed"
	TimedOut  = "timed_out"
	Lost      = "lost" // its instance died, stopped, or was cut off from the database
)
