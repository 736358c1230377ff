package task_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/task"
	"quadrille/test/harness/parallel"
)

// With these variables the test binary is an instance of a service with one task.
const (
	processURL    = "TASK_TEST_URL"
	processSchema = "TASK_TEST_SCHEMA"
	processName   = "TASK_TEST_NAME"
	processClock  = "TASK_TEST_CLOCK" // file with the seconds by which the database's clock is wrong
)

// processTTL is the lease's time of these instances.
const processTTL = time.Second

func TestMain(m *testing.M) {
	if url := os.Getenv(processURL); url != "" {
		fmt.Fprintln(os.Stderr, serve(url))
		os.Exit(1)
	}
	parallel.Raise(8) // they wait, most of the time
	os.Exit(m.Run())
}

// serve runs the task write, whose runs last up to three times the lease's time. They write the
// token all the time, in transactions that take a moment.
func serve(url string) error {
	ctx := context.Background()
	conn, err := db.Open(ctx, db.Config{URL: url, Schema: os.Getenv(processSchema), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	name := os.Getenv(processName)
	write := task.Task{Name: "write", Schedule: task.Every(10 * time.Millisecond), Missed: task.Once, Do: func(ctx context.Context, run *task.Run) error {
		for end := time.Now().Add(rand.N(3 * processTTL)); time.Now().Before(end); {
			err := run.Do(ctx, func(tx *gorm.DB) error {
				defer time.Sleep(rand.N(20 * time.Millisecond))
				return tx.Exec("INSERT INTO written (token, owner) VALUES (?, ?)", run.Token(), name).Error
			})
			if err != nil {
				return err
			}
		}
		return nil
	}}
	r, err := task.New(task.Config{DB: conn, Owner: name, Tasks: []task.Task{write}, TTL: processTTL, Poll: 50 * time.Millisecond, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	r.StepClock(func() time.Duration {
		text, _ := os.ReadFile(os.Getenv(processClock)) // no file: no step
		seconds, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		return time.Duration(seconds) * time.Second
	})
	return r.Run(ctx)
}

// process is an instance in another process.
type process struct {
	name string
	cmd  *exec.Cmd
}

func startProcess(t *testing.T, url, schema, name, clock string) *process {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{name: name, cmd: exec.Command(program)} //nolint:noctx // the test kills it
	p.cmd.Env = append(os.Environ(), processURL+"="+url, processSchema+"="+schema, processName+"="+name, processClock+"="+clock)
	p.cmd.Stderr = t.Output()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // SIGKILL, also of a stopped process
	_ = p.cmd.Wait()         // how it ended does not matter
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// watched creates the table written. Its trigger runs at each commit and records writes of a
// run that is not the present one.
func watched(t *testing.T, conn *gorm.DB) {
	t.Helper()
	execute(t, conn, "CREATE TABLE written (id bigint GENERATED ALWAYS AS IDENTITY, token bigint NOT NULL, owner text NOT NULL)")
	execute(t, conn, "CREATE TABLE stale (token bigint NOT NULL, present bigint NOT NULL)")
	execute(t, conn, `CREATE FUNCTION check_token() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO stale SELECT NEW.token, token FROM tasks WHERE name = 'write' AND (token <> NEW.token OR owner <> NEW.owner);
		RETURN NULL; END $$`)
	execute(t, conn, "CREATE CONSTRAINT TRIGGER check_token AFTER INSERT ON written DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_token()")
}

// Instances are stopped for longer than the lease and continued, in the middle of transactions;
// they are killed and replaced; and the clock is set an hour back and ahead. The task goes on,
// and no instance writes after another one took over.
func TestProcessesThatAreStoppedAndKilled(t *testing.T) {
	t.Parallel()
	conn := dbtest.Postgres(t, "task", dbtest.NoTables())
	var schema string
	if err := conn.Raw("SELECT current_schema()").Scan(&schema).Error; err != nil {
		t.Fatal(err)
	}
	watched(t, conn)
	clock := filepath.Join(t.TempDir(), "clock")
	all := map[string]*process{}
	begin := func(name string) { all[name] = startProcess(t, dbtest.URL(t), schema, name, clock) }
	for _, name := range []string{"a", "b", "c"} {
		begin(name)
	}
	for round := range 12 {
		var row task.Row
		waitFor(t, "an instance runs the task", func() bool { row = rowOf(t, conn, "write"); return row.Owner != "" })
		owner := all[row.Owner]
		switch round % 4 {
		case 0, 2:
			owner.signal(t, syscall.SIGSTOP)
		case 1:
			owner.kill()
		case 3:
			step := []string{"3600", "-3600", "0"}[round/4%3]
			if err := os.WriteFile(clock, []byte(step), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if round%4 != 3 && rowOf(t, conn, "write").Token == row.Token { // it was struck during the run
			waitFor(t, "another instance takes over from "+owner.name, func() bool {
				now := rowOf(t, conn, "write")
				return now.Token > row.Token && now.Owner != "" && now.Owner != owner.name
			})
		}
		before := rowOf(t, conn, "write").Runs
		waitFor(t, "a run ends", func() bool { return rowOf(t, conn, "write").Runs > before })
		switch round % 4 {
		case 0, 2:
			owner.signal(t, syscall.SIGCONT)
		case 1:
			begin(owner.name)
		}
	}
	var stale []struct{ Token, Present int64 }
	if err := conn.Raw("SELECT token, present FROM stale").Scan(&stale).Error; err != nil || len(stale) > 0 {
		t.Errorf("writes of runs that had lost their lease: %+v, %v", stale, err)
	}
	var owners, tokens int
	if err := conn.Raw("SELECT count(DISTINCT owner), count(DISTINCT token) FROM written").Row().Scan(&owners, &tokens); err != nil || owners < 2 || tokens < 8 {
		t.Errorf("%d instances wrote in %d runs, %v", owners, tokens, err)
	}
}

// On SQLite, the next process repeats the run of a killed one at once, however long the lease.
func TestNextProcessRepeatsRunOfKilledOne(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "task.db")
	open := func() *gorm.DB {
		conn, err := db.Open(t.Context(), db.Config{URL: url, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	conn := open()
	if err := db.Migrate(t.Context(), conn, "task", dbtest.NoTables()); err != nil {
		t.Fatal(err)
	}
	execute(t, conn, "CREATE TABLE written (token integer NOT NULL, owner text NOT NULL)")
	if err := db.Close(conn); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		p := startProcess(t, url, "", "a", "")
		time.Sleep(time.Second) // it is killed somewhere
		p.kill()
	}
	conn = open()
	t.Cleanup(func() { _ = db.Close(conn) })
	before := rowOf(t, conn, "write")
	if before.Token < 1 {
		t.Fatalf("no process ran the task: %+v", before)
	}
	write := task.Task{Name: "write", Schedule: task.Every(10 * time.Millisecond), Missed: task.Once, Do: func(context.Context, *task.Run) error { return nil }}
	cfg := config(conn, "b", write)
	cfg.TTL = time.Hour
	once(t, newRunner(t, cfg))
	if after := rowOf(t, conn, "write"); after.Token != before.Token+1 || after.Outcome != task.Succeeded {
		t.Errorf("before %+v, after %+v", before, after)
	}
}
