package task

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/dberr"
	"quadrille/pkg/dbtx"
)

// Run is one run of a task. Its methods are safe for concurrent use.
type Run struct {
	table table
	row   Row

	mu    sync.Mutex
	found string
}

// Report sets what the run has found, in words for operators. It is recorded when the run ends,
// with every outcome but Lost. A later call replaces the text.
func (r *Run) Report(found string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found = found
}

func (r *Run) reported() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return shortened(r.found)
}

// Token returns the run's fencing token. A later run of the same task has a higher one. Pass it
// to systems other than the service's database.
func (r *Run) Token() int64 { return r.row.Token }

// Started returns the start of the run by the database's clock.
func (r *Run) Started() time.Time { return *r.row.StartedAt }

// Slot returns the planned time of the run. For a run that an operator asked for, it is the
// planned time of the run before, or zero.
func (r *Run) Slot() time.Time {
	if r.row.Slot == nil {
		return time.Time{}
	}
	return *r.row.Slot
}

// Do calls work in a transaction of the service's database, and commits only if the run still
// holds its lease; otherwise it rolls back and returns an error that matches ErrLost. Like
// dbtx.Run it may call work more than once.
//
// Do checks the token last, by a write to the task's row, so that no other instance can take
// over between the check and the commit. A lock at the beginning would hold up renewals as long
// as the transaction takes.
func (r *Run) Do(ctx context.Context, work func(tx *gorm.DB) error) error {
	err := dbtx.Run(r.table.db.WithContext(ctx), func(tx *gorm.DB) error {
		if err := work(tx); err != nil {
			return err
		}
		return r.table.own(tx, r.row, "beat = beat + 1")
	})
	if err != nil && errors.Is(context.Cause(ctx), ErrLost) {
		return errors.Join(ErrLost, err)
	}
	return err
}

// Repeat calls step in transactions like Do until it reports that nothing is left, or ctx ends.
// It suits deleting many rows in batches: a lost lease, or a full disk, undoes only one.
func (r *Run) Repeat(ctx context.Context, step func(tx *gorm.DB) (more bool, err error)) error {
	for {
		var more bool
		err := r.Do(ctx, func(tx *gorm.DB) (err error) {
			more, err = step(tx)
			return err
		})
		switch {
		case err != nil:
			return err
		case !more:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
	}
}

// execute runs a task that this instance has claimed, and records its outcome. began is the
// monotonic time from which the lease counts. It returns when the task's function has returned.
func (r *Runner) execute(ctx context.Context, t Task, row Row, began time.Time) {
	stopping, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, func() { stop(errStopped) })()
	limited, cancel := context.WithTimeoutCause(stopping, t.Limit, ErrTimedOut)
	defer cancel()
	renewed := make(chan struct{})
	renewing, enough := context.WithCancel(stopping)
	go func() {
		defer close(renewed)
		if err := r.renew(renewing, row, began); err != nil {
			stop(err)
		}
	}()
	done := make(chan error, 1)
	run := &Run{table: r.table, row: row}
	go func() { done <- call(limited, t, run) }()

	err, returned := r.wait(limited, done)
	took := time.Since(began)
	enough()
	<-renewed
	outcome := outcomeOf(limited, err)
	row.Found = run.reported()
	r.finish(ctx, t, row, outcome, err, took)
	if !returned {
		r.cfg.Log.Error("the function of a task goes on although its context has ended; this instance does not run the task again until it returns", "task", t.Name)
		<-done //nolint:errcheck // its outcome is recorded
		r.cfg.Log.Warn("the function of a task has returned at last", "task", t.Name, "after", time.Since(began).String())
	}
}

// wait waits for the function of a task: until it returns, or for the lease's time after its
// context has ended.
func (r *Runner) wait(limited context.Context, done <-chan error) (err error, returned bool) { //nolint:revive // the error comes with an outcome
	select {
	case err = <-done:
		return err, true
	case <-limited.Done():
	}
	late := time.NewTimer(r.cfg.TTL)
	defer late.Stop()
	select {
	case err = <-done:
		return err, true
	case <-late.C:
		return fmt.Errorf("%w, and its function does not return", context.Cause(limited)), false
	}
}

// call calls the function of a task and converts a panic to an error.
func call(ctx context.Context, t Task, run *Run) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{value: p, stack: debug.Stack()}
		}
	}()
	return t.Do(ctx, run)
}

// panicked is the error of a function that panicked.
type panicked struct {
	value any
	stack []byte
}

// Error returns the value of the panic.
func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// outcomeOf returns the outcome of a run whose function has returned err.
func outcomeOf(limited context.Context, err error) string {
	cause := context.Cause(limited)
	switch {
	case err == nil:
		return Succeeded
	case errors.Is(err, ErrLost), errors.Is(cause, ErrLost), errors.Is(cause, errStopped):
		return Lost
	case errors.Is(cause, ErrTimedOut):
		return TimedOut
	default:
		return Failed
	}
}

// renew renews the lease of a run until ctx ends. It returns an error that matches ErrLost as
// soon as another instance has taken over, or could have: when the lease's time has passed
// since the last renewal began. On SQLite no other instance can take over, and renew does
// nothing.
func (r *Runner) renew(ctx context.Context, row Row, began time.Time) error {
	if r.table.db.Name() != "postgres" {
		<-ctx.Done()
		return nil
	}
	deadline := began.Add(r.cfg.TTL)
	var last error
	tick := time.NewTicker(r.cfg.TTL / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		began := time.Now()
		if !began.Before(deadline) {
			return fmt.Errorf("%w: it was not renewed in time: %w", ErrLost, last)
		}
		waiting, cancel := context.WithDeadline(ctx, deadline)
		err := r.table.renew(waiting, row)
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrLost):
			return err
		case err == nil:
			deadline = began.Add(r.cfg.TTL)
		default:
			last = err
			if !time.Now().Before(deadline) {
				return fmt.Errorf("%w: it was not renewed in time: %w", ErrLost, last)
			}
		}
	}
}

// finish records the outcome of a run. It retries until the database has it, another instance
// has taken over, or ctx ends; then it tries a last time.
func (r *Runner) finish(ctx context.Context, t Task, row Row, outcome string, failure error, took time.Duration) {
	r.count(t.Name, outcome)
	text := ""
	if failure != nil && outcome != Succeeded {
		text = shortened(failure.Error())
		r.tell(t, outcome, failure)
	}
	for {
		writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(r.cfg.TTL, lastWrite))
		err := r.table.end(writing, t, row, outcome, text, took)
		cancel()
		if err == nil || errors.Is(err, ErrLost) {
			return
		}
		if ctx.Err() != nil {
			r.cfg.Log.Warn("outcome of a task not recorded; another instance takes over", "task", t.Name, "outcome", outcome, "error", err)
			return
		}
		pause(ctx, r.cfg.Poll, nil)
	}
}

// lastWrite bounds one attempt to record an outcome, so that a stopping instance ends in time.
const lastWrite = 2 * time.Second

// tell logs the failure of a run.
func (r *Runner) tell(t Task, outcome string, failure error) {
	args := []any{"task", t.Name, "outcome", outcome, "error", failure}
	var p *panicked
	if errors.As(failure, &p) {
		args = append(args, "stack", string(p.stack))
	}
	r.cfg.Log.Warn("task did not succeed", args...)
}

// shortened returns a text that the table can hold.
func shortened(text string) string {
	const maxBytes = 2000
	return dberr.Text(text, maxBytes)
}
