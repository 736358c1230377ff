package timer_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/timer"
)

// With these variables the test binary is an instance that fires timers. It stops inside its
// transaction number instanceHolds, says so and waits to be killed; 0 means never.
const (
	instanceURL    = "TIMER_TEST_URL"
	instanceSchema = "TIMER_TEST_SCHEMA"
	instanceHolds  = "TIMER_TEST_HOLDS"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(instanceURL); url != "" {
		fmt.Println(fireForever(url)) //nolint:forbidigo // the test reads it
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func fireForever(url string) error {
	ctx := context.Background()
	conn, err := db.Open(ctx, db.Config{URL: url, Schema: os.Getenv(instanceSchema), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	holds, err := strconv.ParseInt(os.Getenv(instanceHolds), 10, 64)
	if err != nil {
		return err
	}
	var handled atomic.Int64
	f, err := timer.NewFirer(timer.Config{
		DB: conn, Handlers: map[string]timer.Handler{kind: announce}, Log: slog.New(slog.DiscardHandler),
		Hook: func(point string) {
			if point == timer.AtHandled && handled.Add(1) == holds {
				fmt.Println("holds") //nolint:forbidigo // the test reads it
				select {}
			}
		},
	})
	if err != nil {
		return err
	}
	fmt.Println("fires") //nolint:forbidigo // the test reads it
	for ; err == nil; time.Sleep(10 * time.Millisecond) {
		_, err = f.RunOnce(ctx)
	}
	return err
}

// instance starts another process that fires timers. said waits for a line of its output;
// kill sends SIGKILL.
func instance(t *testing.T, url, schema string, holds int) (said func(want string), kill func()) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program) //nolint:noctx // the test kills it
	cmd.Env = append(os.Environ(), instanceURL+"="+url, instanceSchema+"="+schema, instanceHolds+"="+strconv.Itoa(holds))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	kill = func() {
		_ = cmd.Process.Kill() // SIGKILL
		_ = cmd.Wait()         // how it ended does not matter
	}
	t.Cleanup(kill)
	return func(want string) {
		t.Helper()
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("the instance says %q, not %q", lines.Text(), want)
		}
	}, kill
}

const many = 10_000

// checkOnce waits until no timer is left, and fails unless each has exactly one event.
func checkOnce(t *testing.T, conn *gorm.DB) {
	t.Helper()
	for began := time.Now(); left(t, conn) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatalf("%d timers are left", left(t, conn))
		}
	}
	seen := map[string]int{}
	for _, s := range said(t, conn) {
		seen[s]++
	}
	for i := range many {
		if seen[subject(i)] != 1 {
			t.Errorf("timer %d fired %d times", i, seen[subject(i)])
		}
	}
}

// Two instances fire 10,000 timers, and one is killed in the middle of a transaction: the
// other one fires the rest, none twice.
func TestKilledInstanceFiresNothingTwice(t *testing.T) {
	t.Parallel()
	conn := dbtest.Postgres(t, "none", dbtest.NoTables())
	var schema string
	if err := conn.Raw("SELECT current_schema()").Scan(&schema).Error; err != nil {
		t.Fatal(err)
	}
	setAll(t, conn, many, 0)
	said, kill := instance(t, dbtest.URL(t), schema, 6)
	said("fires")
	said("holds") // after 2,500 timers, with 500 more in its transaction
	other, _ := instance(t, dbtest.URL(t), schema, 0)
	other("fires") // its first transaction waits for that of the killed instance
	kill()
	checkOnce(t, conn)
}

// The same on SQLite, where the next process opens the file.
func TestNextProcessFiresWhatAKilledOneLeft(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "none.db")
	open := func() *gorm.DB {
		conn, err := db.Open(t.Context(), db.Config{URL: url, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	conn := open()
	if err := db.Migrate(t.Context(), conn, "none", dbtest.NoTables()); err != nil {
		t.Fatal(err)
	}
	setAll(t, conn, many, 0)
	if err := db.Close(conn); err != nil {
		t.Fatal(err)
	}
	said, kill := instance(t, url, "none", 6)
	said("fires")
	said("holds")
	kill()
	conn = open()
	t.Cleanup(func() { _ = db.Close(conn) })
	if n := left(t, conn); n != many-5*500 {
		t.Errorf("the killed process left %d timers, want %d", n, many-5*500)
	}
	if _, err := firer(t, conn, announce).RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkOnce(t, conn)
}
