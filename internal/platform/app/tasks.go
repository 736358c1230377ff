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
	PruneOutbox          = "prune_outbox"
	PruneDeadLetters     = "prune_dead_letters"
	PruneIdempotencyKeys = "prune_idempotency_keys"
	FireTimers           = "timers"
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
	compare, has, err := i.compareTask()
	if err != nil {
		return err
	}
	if has {
		all = append(all, compare)
	}
	i.tasks, err = task.New(task.Config{DB: i.db, Owner: i.shop.holder, Tasks: append(all, components.Tasks...), Log: i.log})
	return err
}

// commonTasks returns the tasks that every service has.
func (i *instance) commonTasks() (all []task.Task, err error) {
	cfg := i.shop.cfg
	if i.relay != nil && cfg.outboxKeep > 0 {
		outbox, err := i.pruneOutbox(cfg.outboxKeep)
		if err != nil {
			return nil, err
		}
		all = append(all, outbox)
	}
	if keep := time.Duration(cfg.DeadKeep); keep > 0 {
		all = append(all, PruneTask(PruneDeadLetters, time.Hour, keep, deadletter.Prune))
	}
	if keep := time.Duration(cfg.IdempotencyKeep); keep > 0 {
		all = append(all, PruneTask(PruneIdempotencyKeys, 10*time.Minute, keep, pruneIdempotencyKeys))
	}
	return all, nil
}

func (i *instance) pruneOutbox(keep time.Duration) (task.Task, error) {
	pruner, err := outbox.NewPruner(outbox.PruneConfig{DB: i.db, Step: pruneStep})
	if err != nil {
		return task.Task{}, err
	}
	return task.Task{
		Name: PruneOutbox, Schedule: task.Every(time.Minute), Missed: task.Once,
		Do: func(ctx context.Context, run *task.Run) error {
			pruned, err := pruner.RunOnce(ctx, run.Started().Add(-keep), run.Do)
			if pruned > 0 {
				i.log.Info("outbox pruned", "events", pruned, "kept_for", keep.String())
			}
			return err
		},
	}, nil
}

// PruneTask returns a task that deletes old rows in batches, each in a transaction. prune
// deletes up to limit rows that are older than a time, and returns their number. Their age is
// by the database's clock.
func PruneTask(name string, every, keep time.Duration, prune func(tx *gorm.DB, before time.Time, limit int) (int64, error)) task.Task {
	return task.Task{
		Name: name, Schedule: task.Every(every), Missed: task.Once,
		Do: func(ctx context.Context, run *task.Run) error {
			return run.Repeat(ctx, func(tx *gorm.DB) (bool, error) {
				n, err := prune(tx, run.Started().Add(-keep), pruneStep)
				return n >= pruneStep, err
			})
		},
	}
}

// pruneIdempotencyKeys deletes up to limit responses that were stored before a time.
func pruneIdempotencyKeys(tx *gorm.DB, before time.Time, limit int) (int64, error) {
	res := tx.Exec(`DELETE FROM idempotency_keys WHERE (scope, key) IN
		(SELECT scope, key FROM idempotency_keys WHERE created_at < ? ORDER BY created_at LIMIT ?)`, before.UTC(), limit)
	if res.Error != nil {
		return 0, fmt.Errorf("prune idempotency keys: %w", res.Error)
	}
	return res.RowsAffected, nil
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
