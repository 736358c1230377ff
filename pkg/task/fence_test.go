package task_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/task"
)

// A run whose row another instance took is cancelled, and its writes are refused; what it wrote
// before stays.
func TestRunThatLostItsLease(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, "task", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		execute(t, conn, "CREATE TABLE written (n integer)")
		insert := func(n int) func(*gorm.DB) error {
			return func(tx *gorm.DB) error { return tx.Exec("INSERT INTO written VALUES (?)", n).Error }
		}
		var refused, cause error
		r := newRunner(t, config(conn, "one", seldom(func(ctx context.Context, run *task.Run) error {
			if err := run.Do(ctx, insert(1)); err != nil {
				t.Error(err)
			}
			execute(t, conn, "UPDATE tasks SET token = token + 1, beat = beat + 1, owner = 'two'")
			if conn.Name() == "postgres" { // nobody renews on SQLite
				<-ctx.Done()
				cause = context.Cause(ctx)
			}
			refused = run.Do(context.WithoutCancel(ctx), insert(2))
			return refused
		})))
		once(t, r)
		if _, err := r.Request(t.Context(), "seldom"); err != nil {
			t.Fatal(err)
		}
		once(t, r)
		if !errors.Is(refused, task.ErrLost) {
			t.Errorf("the write ended with %v, want ErrLost", refused)
		}
		if conn.Name() == "postgres" && !errors.Is(cause, task.ErrLost) {
			t.Errorf("the context ended with %v, want ErrLost", cause)
		}
		var numbers []int
		if err := conn.Raw("SELECT n FROM written").Scan(&numbers).Error; err != nil || len(numbers) != 1 || numbers[0] != 1 {
			t.Errorf("written: %v, %v", numbers, err)
		}
		if row := rowOf(t, conn, "seldom"); row.Owner != "two" || row.Runs != 0 {
			t.Errorf("the other's row is %+v", row)
		}
	})
}

// A transaction that was open when another instance took over does not commit, however long it
// was open, and the takeover does not wait for it.
func TestTakeoverDuringTransaction(t *testing.T) {
	t.Parallel()
	conn := dbtest.Postgres(t, "task", dbtest.NoTables())
	execute(t, conn, "CREATE TABLE written (n integer)")
	r := newRunner(t, config(conn, "one", seldom(func(ctx context.Context, run *task.Run) error {
		return run.Do(context.WithoutCancel(ctx), func(tx *gorm.DB) error {
			execute(t, tx, "INSERT INTO written VALUES (1)")
			execute(t, conn, "UPDATE tasks SET token = token + 1, beat = beat + 1, owner = 'two'")
			return nil
		})
	})))
	once(t, r)
	if _, err := r.Request(t.Context(), "seldom"); err != nil {
		t.Fatal(err)
	}
	once(t, r)
	var n int
	if err := conn.Raw("SELECT count(*) FROM written").Scan(&n).Error; err != nil || n != 0 {
		t.Errorf("%d rows written, %v", n, err)
	}
	if s := r.Status(); s[0].Ended[task.Lost] != 1 {
		t.Errorf("counted %v", s[0].Ended)
	}
}

// A long transaction of a run does not hold up the renewals of its lease.
func TestRenewalDuringTransaction(t *testing.T) {
	t.Parallel()
	conn := dbtest.Postgres(t, "task", dbtest.NoTables())
	r := newRunner(t, config(conn, "one", seldom(func(ctx context.Context, run *task.Run) error {
		return run.Do(ctx, func(tx *gorm.DB) error { return tx.Exec("SELECT pg_sleep(4)").Error }) // longer than the lease
	})))
	once(t, r)
	if _, err := r.Request(t.Context(), "seldom"); err != nil {
		t.Fatal(err)
	}
	two := newRunner(t, config(conn, "two", seldom(func(context.Context, *task.Run) error { t.Error("took over from a live instance"); return nil })))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = r.RunOnce(t.Context())
	}()
	waitFor(t, "the run", func() bool { return rowOf(t, conn, "seldom").Owner == "one" })
	begin(t, two)
	<-ended
	if row := rowOf(t, conn, "seldom"); row.Outcome != task.Succeeded || row.Token != 1 {
		t.Errorf("row is %+v", row)
	}
}

// The row of a dead instance is taken over after the lease's time, also if the database's clock
// was set back or ahead since.
func TestDeadInstanceIsReplaced(t *testing.T) {
	t.Parallel()
	for name, expires := range map[string]string{
		"soon":              "clock_timestamp() + interval '700 milliseconds'",
		"long ago":          "clock_timestamp() - interval '1 hour'",
		"in an hour":        "clock_timestamp() + interval '1 hour'",
		"in thirty seconds": "clock_timestamp() + interval '30 seconds'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dbtest.Postgres(t, "task", dbtest.NoTables())
			var runs atomic.Int32
			job := seldom(func(context.Context, *task.Run) error { runs.Add(1); return nil })
			job.Missed = task.Once
			two := newRunner(t, config(conn, "two", job))
			once(t, two)
			execute(t, conn, "UPDATE tasks SET owner = 'dead', token = 5, beat = 9, started_at = clock_timestamp() - interval '2 hours', slot = clock_timestamp() - interval '2 hours', expires_at = "+expires)
			began := time.Now()
			begin(t, two)
			waitFor(t, "a run in its place", func() bool { return runs.Load() == 1 && rowOf(t, conn, "seldom").Owner == "" })
			if took := time.Since(began); took < ttl-10*time.Millisecond {
				t.Errorf("took over after %s, before a live instance would have renewed", took)
			}
			if row := rowOf(t, conn, "seldom"); row.Token != 6 || row.Runs != 2 || row.Outcome != task.Succeeded {
				t.Errorf("row is %+v", row)
			}
		})
	}
}

// Steps of the database's clock by an hour, back and ahead, during runs: never two at once, and
// none is lost.
func TestStepsOfTheClockDuringRuns(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, "task", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		var step atomic.Int64
		var at, runs, ended atomic.Int32
		job := often(func(ctx context.Context, run *task.Run) error {
			if at.Add(1) > 1 {
				t.Error("two runs at the same time")
			}
			defer at.Add(-1)
			runs.Add(1)
			select {
			case <-ctx.Done():
				if cause := context.Cause(ctx); errors.Is(cause, task.ErrLost) {
					t.Errorf("a run was cancelled: %v", cause)
				}
				return nil
			case <-time.After(ttl + 500*time.Millisecond): // longer than the lease
			}
			if err := run.Do(ctx, func(*gorm.DB) error { return nil }); err != nil && t.Context().Err() == nil {
				t.Error(err)
			}
			ended.Add(1)
			return nil
		})
		var all []*task.Runner
		for _, name := range []string{"a", "b", "c"} {
			r := newRunner(t, config(conn, name, job))
			r.StepClock(func() time.Duration { return time.Duration(step.Load()) })
			all = append(all, r)
		}
		beginAll(t, all)
		for _, d := range []time.Duration{time.Hour, 0, -time.Hour, time.Hour} {
			before := runs.Load()
			waitFor(t, "a new run", func() bool { return runs.Load() > before })
			step.Store(int64(d))
		}
		before := runs.Load()
		waitFor(t, "two more runs", func() bool { return ended.Load() > before+1 })
	})
}

// On SQLite the run of an earlier process is dead at once: only one process opens the file.
func TestRunOfEarlierProcessIsDeadAtOnce(t *testing.T) {
	t.Parallel()
	conn := dbtest.SQLite(t, "task", dbtest.NoTables())
	var runs atomic.Int32
	job := seldom(func(context.Context, *task.Run) error { runs.Add(1); return nil })
	job.Missed = task.Once
	once(t, newRunner(t, config(conn, "one", job)))
	execute(t, conn, "UPDATE tasks SET owner = 'one', expires_at = '2999-01-01 00:00:00+00:00'")
	two := newRunner(t, config(conn, "two", job))
	once(t, two)
	if runs.Load() != 1 {
		t.Error("the task of a dead process waits for its lease")
	}
}
