package app

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/ready"
	"quadrille/pkg/deadletter"
	"quadrille/pkg/outbox"
	"quadrille/pkg/task"
)

// Names of the tasks that the runtime adds to those of a service.
const (
	PruneOutbox      = "prune_outbox"
	PruneDeadLetters = "prune_dead_letters"
	FireTimers       = "timers"
)

// pruneStep is the number of rows that a task deletes in one transaction.
const pruneStep = 1000

// prepareTasks creates what runs the periodic tasks of the service and of the runtime.
func (i *instance) prepareTasks(components Components) error {
	all, err := i.commonTasks()
	if err != nil {
		return err
	}
	if len(components.Timers) > 0 {
		timers, err := i.timersTask(components.Timers)
		if err != nil {
			return err
		}
		all = append(all, timers)
	}
	i.tasks, err = task.New(task.Config{DB: i.db, Owner: i.shop.holder, Tasks: append(all, components.Tasks...), Log: i.log})
	return err
}

// commonTasks returns the tasks that every service has.
func (i *instance) commonTasks() (all []task.Task, err error) {
	cfg := i.shop.cfg
	if i.relay != nil && cfg.outboxKeep > 0 {
		pruner, err := outbox.NewPruner(outbox.PruneConfig{DB: i.db, Keep: cfg.outboxKeep})
		if err != nil {
			return nil, err
		}
		all = append(all, task.Task{
			Name: PruneOutbox, Schedule: task.Every(time.Minute), Missed: task.Once,
			Do: func(ctx context.Context, run *task.Run) error {
				pruned, err := pruner.RunOnce(ctx, run.Do)
				if pruned > 0 {
					i.log.Info("outbox pruned", "events", pruned, "kept_for", cfg.outboxKeep.String())
				}
				return err
			},
		})
	}
	if cfg.deadKeep > 0 {
		all = append(all, PruneTask(PruneDeadLetters, time.Hour, cfg.deadKeep, deadletter.Prune))
	}
	return all, nil
}

// PruneTask returns a task that deletes rows in batches. prune deletes up to limit rows that
// are older than a time, and returns their number.
func PruneTask(name string, every, keep time.Duration, prune func(tx *gorm.DB, before time.Time, limit int) (int64, error)) task.Task {
	return task.Task{
		Name: name, Schedule: task.Every(every), Missed: task.Once,
		Do: func(ctx context.Context, run *task.Run) error {
			return run.Repeat(ctx, func(tx *gorm.DB) (bool, error) {
				n, err := prune(tx, time.Now().Add(-keep), pruneStep)
				return n >= pruneStep, err
			})
		},
	}
}

// tasksCheck warns of a task that does not succeed, that no instance starts, or that does not
// end. It is advisory: requests and events do not depend on tasks.
func (i *instance) tasksCheck() ready.Check {
	return ready.Check{
		Name: "tasks", Advisory: true, Every: outboxEvery,
		Remedy: fmt.Sprintf("show them with quadrille tasks list %s; fix the cause, then run the task with quadrille tasks run", i.service.Name),
		Probe:  func(context.Context) ready.Finding { return ready.Finding{Err: i.tasks.Trouble()} },
	}
}
