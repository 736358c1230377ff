package task_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/task"
)

// often returns a task that is always due.
func often(do func(ctx context.Context, run *task.Run) error) task.Task {
	return task.Task{Name: "often", Schedule: task.Every(10 * time.Millisecond), Missed: task.Once, Do: do}
}

// seldom returns a task that runs only when asked.
func seldom(do func(ctx context.Context, run *task.Run) error) task.Task {
	return task.Task{Name: "seldom", Schedule: task.Every(1000 * time.Hour), Do: do}
}

// ttl is the lease's time in most tests. It is long enough for a busy machine to renew a lease.
const ttl = 3 * time.Second

func config(conn *gorm.DB, owner string, tasks ...task.Task) task.Config {
	return task.Config{DB: conn, Owner: owner, Tasks: tasks, TTL: ttl, Poll: 20 * time.Millisecond, Log: slog.New(slog.DiscardHandler)}
}

func newRunner(t *testing.T, cfg task.Config) *task.Runner {
	t.Helper()
	r, err := task.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// beginAll starts runners together.
func beginAll(t *testing.T, all []*task.Runner) {
	t.Helper()
	for _, r := range all {
		if err := r.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range all {
		begin(t, r)
	}
}

// begin starts a runner and returns a function that stops it and waits.
func begin(t *testing.T, r *task.Runner) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return stop
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(40 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 40 s for: %s", what)
		}
	}
}

// rowOf returns the row of a task; it is empty if there is none.
func rowOf(t *testing.T, conn *gorm.DB, name string) (found task.Row) {
	t.Helper()
	rows, err := task.List(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if row.Name == name {
			found = row
		}
	}
	return found
}

func once(t *testing.T, r *task.Runner) {
	t.Helper()
	if err := r.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func execute(t *testing.T, conn *gorm.DB, statement string, args ...any) {
	t.Helper()
	if err := conn.Exec(statement, args...).Error; err != nil {
		t.Fatal(err)
	}
}

func TestOutcomesAreRecorded(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, "task", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		for name, c := range map[string]struct {
			do      func(context.Context, *task.Run) error
			outcome string
			text    string
		}{
			"fine":   {func(context.Context, *task.Run) error { return nil }, task.Succeeded, ""},
			"fails":  {func(context.Context, *task.Run) error { return errors.New("no\x00pe") }, task.Failed, "nope"}, //nolint:err113 // any error
			"panics": {func(context.Context, *task.Run) error { panic("ouch") }, task.Failed, "panic: ouch"},
			"slow":   {func(ctx context.Context, _ *task.Run) error { <-ctx.Done(); return context.Cause(ctx) }, task.TimedOut, "time limit"},
		} {
			job := seldom(c.do)
			job.Name, job.Limit = name, 2*time.Second
			if name == "slow" {
				job.Limit = 50 * time.Millisecond
			}
			r := newRunner(t, config(conn, "one", job))
			once(t, r)
			if row := rowOf(t, conn, name); row.Runs != 0 || row.Schedule != "every 1000h" {
				t.Fatalf("%s: before its first run, the row is %+v", name, row)
			}
			if _, err := r.Request(t.Context(), name); err != nil {
				t.Fatal(err)
			}
			once(t, r)
			row := rowOf(t, conn, name)
			if row.Outcome != c.outcome || !strings.Contains(row.Error, c.text) || (row.Error == "") != (c.text == "") || row.Owner != "" || row.Runs != 1 || row.Token != 1 {
				t.Errorf("%s: row is %+v", name, row)
			}
			if (row.Failures == 1) == (c.outcome == task.Succeeded) || (row.SucceededAt == nil) == (c.outcome == task.Succeeded) || row.RequestedAt != nil {
				t.Errorf("%s: row is %+v", name, row)
			}
			if until := time.Until(row.NextAt); until < 999*time.Hour || until > 1001*time.Hour {
				t.Errorf("%s: next run in %s", name, until)
			}
			if s := r.Status(); s[0].Ended[c.outcome] != 1 {
				t.Errorf("%s: counted %v", name, s[0].Ended)
			}
		}
	})
}

// Many instances, one run at a time; each of them runs some.
func TestOneInstanceRunsTaskAtATime(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, "task", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		var at, runs atomic.Int32
		var last atomic.Int64
		job := often(func(_ context.Context, run *task.Run) error {
			if at.Add(1) > 1 {
				t.Error("two runs at the same time")
			}
			if token := run.Token(); token <= last.Swap(token) {
				t.Errorf("token %d does not rise", token)
			}
			time.Sleep(2 * time.Millisecond)
			at.Add(-1)
			runs.Add(1)
			return nil
		})
		var all []*task.Runner
		for _, name := range []string{"a", "b", "c", "d"} {
			all = append(all, newRunner(t, config(conn, name, job)))
		}
		beginAll(t, all)
		waitFor(t, "60 runs", func() bool { return runs.Load() >= 60 })
	})
}

// An idle runner writes nothing.
func TestIdleRunnerDoesNotWrite(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, "task", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		r := newRunner(t, config(conn, "one", seldom(func(context.Context, *task.Run) error { return nil })))
		once(t, r)
		before := rowOf(t, conn, "seldom")
		for range 5 {
			once(t, r)
		}
		if after := rowOf(t, conn, "seldom"); after.Beat != before.Beat {
			t.Errorf("beat went from %d to %d", before.Beat, after.Beat)
		}
	})
}

func TestRequest(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, "task", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		works, goOn := make(chan struct{}), make(chan struct{})
		r := newRunner(t, config(conn, "one", seldom(func(context.Context, *task.Run) error { close(works); <-goOn; return nil })))
		if _, err := r.Request(t.Context(), "other"); !errors.Is(err, task.ErrUnknown) {
			t.Errorf("unknown task: %v", err)
		}
		begin(t, r)
		waitFor(t, "the row", func() bool { return rowOf(t, conn, "seldom").Name != "" })
		for range 2 { // twice is once
			if _, err := r.Request(t.Context(), "seldom"); err != nil && !errors.Is(err, task.ErrRunning) {
				t.Fatal(err)
			}
		}
		<-works
		if _, err := r.Request(t.Context(), "seldom"); !errors.Is(err, task.ErrRunning) {
			t.Errorf("running task: %v", err)
		}
		close(goOn)
		waitFor(t, "the end of the run", func() bool { return rowOf(t, conn, "seldom").Runs == 1 })
	})
}

func TestChangedScheduleIsPlannedAnew(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, "task", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		job := seldom(func(context.Context, *task.Run) error { return nil })
		once(t, newRunner(t, config(conn, "one", job)))
		job.Schedule = task.Every(2 * time.Hour)
		once(t, newRunner(t, config(conn, "two", job)))
		row := rowOf(t, conn, "seldom")
		if until := time.Until(row.NextAt); row.Schedule != "every 2h" || until > 2*time.Hour || until < time.Hour {
			t.Errorf("row is %+v", row)
		}
	})
}

// A row that somebody deleted is written again.
func TestDeletedRowComesBack(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, "task", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		r := newRunner(t, config(conn, "one", seldom(func(context.Context, *task.Run) error { return nil })))
		once(t, r)
		execute(t, conn, "DELETE FROM tasks")
		once(t, r)
		once(t, r)
		if rowOf(t, conn, "seldom").Name == "" {
			t.Error("the row is missing")
		}
	})
}

// A function that ignores the end of its context does not run twice in an instance, and cannot
// write.
func TestFunctionThatIgnoresItsContext(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, "task", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		execute(t, conn, "CREATE TABLE written (n integer)")
		var calls atomic.Int32
		goOn, wrote := make(chan struct{}), make(chan error, 1)
		job := often(func(_ context.Context, run *task.Run) error {
			if calls.Add(1) > 1 {
				return nil
			}
			<-goOn
			wrote <- run.Do(context.Background(), func(tx *gorm.DB) error { return tx.Exec("INSERT INTO written VALUES (1)").Error }) //nolint:contextcheck // on purpose
			return nil
		})
		job.Limit = 20 * time.Millisecond
		cfg := config(conn, "one", job)
		cfg.TTL = 200 * time.Millisecond
		begin(t, newRunner(t, cfg))
		waitFor(t, "the outcome", func() bool { return rowOf(t, conn, "often").Outcome == task.TimedOut })
		beat := rowOf(t, conn, "often").Beat
		time.Sleep(300 * time.Millisecond) // polls in which the task is due
		if n := calls.Load(); n != 1 || rowOf(t, conn, "often").Beat != beat {
			t.Errorf("the function was called %d times while it ran", n)
		}
		close(goOn)
		if err := <-wrote; !errors.Is(err, task.ErrLost) {
			t.Errorf("its write ended with %v, want ErrLost", err)
		}
		waitFor(t, "the next run", func() bool { return rowOf(t, conn, "often").Outcome == task.Succeeded })
		var n int
		if err := conn.Raw("SELECT count(*) FROM written").Scan(&n).Error; err != nil || n != 0 {
			t.Errorf("%d rows written, %v", n, err)
		}
	})
}

// A clean stop ends the run and leaves the task to the next instance at once.
func TestStopHandsOver(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, "task", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		works := make(chan int64, 10)
		job := often(func(ctx context.Context, run *task.Run) error {
			works <- run.Token()
			<-ctx.Done()
			return ctx.Err()
		})
		cfg := config(conn, "one", job)
		cfg.TTL = time.Minute
		stop := begin(t, newRunner(t, cfg))
		<-works
		stop()
		if row := rowOf(t, conn, "often"); row.Outcome != task.Lost || row.Owner != "" || row.NextAt.After(time.Now().Add(time.Second)) {
			t.Errorf("row is %+v", row)
		}
		cfg.Owner = "two"
		begin(t, newRunner(t, cfg))
		select {
		case token := <-works:
			if token != 2 {
				t.Errorf("token %d, want 2", token)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("the next instance waits for the lease")
		}
	})
}

func TestTrouble(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, "task", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		r := newRunner(t, config(conn, "one", seldom(func(context.Context, *task.Run) error { return errors.New("broken") }))) //nolint:err113 // any error
		for n := range 3 {
			once(t, r)
			if err := r.Trouble(); err != nil {
				t.Errorf("after %d failures: %v", n, err)
			}
			if _, err := r.Request(t.Context(), "seldom"); err != nil {
				t.Fatal(err)
			}
			once(t, r)
		}
		once(t, r)
		if err := r.Trouble(); err == nil || !strings.Contains(err.Error(), "broken") {
			t.Errorf("after three failures: %v", err)
		}
	})
}

// A task whose row cannot be written does not hold up the others, and Trouble reports it.
func TestTroubleWithOneRow(t *testing.T) {
	t.Parallel()
	conn := dbtest.Postgres(t, "task", dbtest.NoTables())
	var runs atomic.Int64
	first, second := often(func(context.Context, *task.Run) error { return nil }), often(func(context.Context, *task.Run) error { runs.Add(1); return nil })
	first.Name, second.Name = "first", "second"
	execute(t, conn, "ALTER TABLE tasks ADD CONSTRAINT broken CHECK (name <> 'first' OR token = 0)")
	r := newRunner(t, config(conn, "one", first, second))
	begin(t, r)
	waitFor(t, "the second task runs", func() bool { return runs.Load() > 2 })
	waitFor(t, "trouble with the first is reported", func() bool { err := r.Trouble(); return err != nil && strings.Contains(err.Error(), "broken") })
	execute(t, conn, "ALTER TABLE tasks DROP CONSTRAINT broken")
	waitFor(t, "all is well", func() bool { return r.Trouble() == nil && rowOf(t, conn, "first").Runs > 0 })
}

func TestNewRefusesIncompleteTasks(t *testing.T) {
	t.Parallel()
	conn := dbtest.SQLite(t, "task", dbtest.NoTables())
	do := func(context.Context, *task.Run) error { return nil }
	for name, tasks := range map[string][]task.Task{
		"no name":     {{Schedule: task.Every(time.Hour), Do: do}},
		"no schedule": {{Name: "a", Do: do}},
		"zero":        {{Name: "a", Schedule: task.Every(0), Do: do}},
		"no function": {{Name: "a", Schedule: task.Every(time.Hour)}},
		"two alike":   {seldom(do), seldom(do)},
		"negative":    {{Name: "a", Schedule: task.Every(time.Hour), Do: do, Limit: -1}},
	} {
		if _, err := task.New(config(conn, "one", tasks...)); err == nil {
			t.Errorf("accepts a task with %s", name)
		}
	}
}
