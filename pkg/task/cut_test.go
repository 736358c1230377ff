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
	"quadrille/test/harness/nodes"
)

// An instance that is cut off from the database cancels its run, whether its connections break
// or fall silent. Another one takes over, and the first cannot write when it is connected again.
func TestInstanceThatIsCutOff(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]func(*nodes.Proxy){
		"connections break":       (*nodes.Proxy).Cut,
		"connections fall silent": (*nodes.Proxy).Hang,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			far, proxy := dbtest.Cuttable(t, "task", dbtest.NoTables())
			var schema string
			if err := far.Raw("SELECT current_schema()").Scan(&schema).Error; err != nil {
				t.Fatal(err)
			}
			near := dbtest.Again(t, schema)
			execute(t, near, "CREATE TABLE written (n integer)")
			works, cancelled, mended, refused := make(chan struct{}), make(chan error, 1), make(chan struct{}), make(chan error, 1)
			var runs atomic.Int64 // of the near instance
			begin(t, newRunner(t, config(far, "far", often(func(ctx context.Context, run *task.Run) error {
				if run.Token() > 1 {
					return nil
				}
				close(works)
				<-ctx.Done()
				cancelled <- context.Cause(ctx)
				<-mended
				refused <- writeUntilRefused(context.WithoutCancel(ctx), run)
				return context.Cause(ctx)
			}))))
			<-works
			begin(t, newRunner(t, config(near, "near", often(func(context.Context, *task.Run) error { runs.Add(1); return nil }))))
			cut(proxy)
			select {
			case cause := <-cancelled:
				if !errors.Is(cause, task.ErrLost) {
					t.Errorf("the run ended with %v, want ErrLost", cause)
				}
			case <-time.After(40 * time.Second):
				t.Fatal("the run goes on without the database")
			}
			waitFor(t, "the other instance takes over", func() bool { return runs.Load() > 0 })
			proxy.Mend()
			close(mended)
			if err := <-refused; !errors.Is(err, task.ErrLost) {
				t.Errorf("a write of the run that was cut off ended with %v, want ErrLost", err)
			}
			before := runs.Load()
			waitFor(t, "the task goes on", func() bool { return runs.Load() > before })
			var n int
			if err := near.Raw("SELECT count(*) FROM written").Scan(&n).Error; err != nil || n != 0 {
				t.Errorf("%d rows written, %v", n, err)
			}
		})
	}
}

// writeUntilRefused tries to write while the connections of the pool are still dead. It returns
// nil if a write succeeds.
func writeUntilRefused(ctx context.Context, run *task.Run) error {
	for end := time.Now().Add(40 * time.Second); ; {
		trying, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := run.Do(trying, func(tx *gorm.DB) error { return tx.Exec("INSERT INTO written VALUES (1)").Error })
		cancel()
		if err == nil || errors.Is(err, task.ErrLost) || time.Now().After(end) {
			return err
		}
	}
}
