package db_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/dberr"
	"quadrille/pkg/dbtx"
)

// ways returns the ways to run a query through gorm and database/sql. Several of them
// bypass gorm's translation of errors.
func ways(ctx context.Context, conn *gorm.DB, query string) map[string]func() error {
	conn = conn.WithContext(ctx)
	return map[string]func() error{
		"Exec": func() error { return conn.Exec(query).Error },
		"Find": func() error { return conn.Raw(query).Find(&[]map[string]any{}).Error },
		"Scan": func() error { return conn.Raw(query).Scan(&[]map[string]any{}).Error },
		"Row": func() error {
			var into any
			return conn.Raw(query).Row().Scan(&into)
		},
		"Rows": func() error {
			rows, err := conn.Raw(query).Rows()
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() { //nolint:revive // to the end
			}
			return rows.Err()
		},
		"Transaction": func() error { return conn.Transaction(func(tx *gorm.DB) error { return tx.Exec(query).Error }) },
		"Commit":      func() error { return db.Commit(ctx, conn, []db.Statement{{SQL: query}}) },
		"database/sql": func() error {
			pool, err := conn.DB()
			if err != nil {
				return err
			}
			_, err = pool.ExecContext(ctx, query)
			return err
		},
		"Prepare": func() error {
			pool, err := conn.DB()
			if err != nil {
				return err
			}
			prepared, err := pool.PrepareContext(ctx, query)
			if err != nil {
				return err
			}
			defer prepared.Close()
			_, err = prepared.ExecContext(ctx)
			return err
		},
		"Conn": func() error {
			pool, err := conn.DB()
			if err != nil {
				return err
			}
			one, err := pool.Conn(ctx)
			if err != nil {
				return err
			}
			defer one.Close()
			_, err = one.ExecContext(ctx, query)
			return err
		},
	}
}

func kindsOf(t *testing.T, conn *gorm.DB, query string, want dberr.Kind) {
	t.Helper()
	for way, run := range ways(t.Context(), conn, query) {
		if err := run(); err == nil || dberr.Of(err) != want {
			t.Errorf("%s by %s: got %v, which is %s, want %s", query, way, err, dberr.Of(err), want)
		}
	}
}

func TestClassifiesErrorsOfEveryCall(t *testing.T) {
	t.Parallel()
	conn, proxy := dbtest.Cuttable(t, "none", dbtest.NoTables())
	for query, want := range map[string]dberr.Kind{
		"SELECT 1 FROM nosuch":      dberr.Unfit,
		"SELECT nosuch FROM leases": dberr.Unfit,
		"SELECT nosuch(1)":          dberr.Unfit,
		"SELECT 1 FROM pg_authid WHERE pg_read_file('/nosuch') IS NULL": dberr.Unavailable, // 58P01
		"SELECT 1 / 0": dberr.Other,
		"INSERT INTO leases (name, holder, expires_at) VALUES (NULL, '', now())": dberr.Other,
	} {
		kindsOf(t, conn, query, want)
	}
	proxy.Cut()
	kindsOf(t, conn, "SELECT 1", dberr.Unavailable)
	proxy.Mend()
	for way, run := range ways(t.Context(), conn, "SELECT 1") {
		if err := run(); err != nil {
			t.Errorf("%s after the server is reachable again: %v", way, err)
		}
	}
}

func TestClassifiesErrorsOfEveryCallOnSQLite(t *testing.T) {
	t.Parallel()
	conn := dbtest.SQLite(t, "none", dbtest.NoTables())
	kindsOf(t, conn, "SELECT 1 FROM nosuch", dberr.Unfit)
	kindsOf(t, conn, "INSERT INTO leases (name, holder, expires_at) VALUES (NULL, '', '')", dberr.Other)
	if err := conn.Exec("PRAGMA query_only = 1").Error; err != nil {
		t.Fatal(err)
	}
	kindsOf(t, conn, "INSERT INTO leases (name, holder, expires_at) VALUES ('a', 'b', '')", dberr.Unavailable)
}

// single limits the pool of conn to one connection and applies settings to its session.
func single(t *testing.T, conn *gorm.DB, settings ...string) {
	t.Helper()
	pool, err := conn.DB()
	if err != nil {
		t.Fatal(err)
	}
	pool.SetMaxOpenConns(1)
	for _, s := range settings {
		if err := conn.Exec(s).Error; err != nil {
			t.Fatal(err)
		}
	}
}

func TestStatementTimeoutIsUnavailable(t *testing.T) {
	t.Parallel()
	conn := dbtest.Postgres(t, "none", dbtest.NoTables())
	single(t, conn, "SET statement_timeout = '20ms'")
	kindsOf(t, conn, "SELECT pg_sleep(10)", dberr.Unavailable)
}

func TestLockTimeoutIsUnavailable(t *testing.T) {
	t.Parallel()
	conn, other := shared(t)
	holder := other.Begin()
	t.Cleanup(func() { holder.Rollback() })
	if err := holder.Exec("LOCK TABLE leases").Error; err != nil {
		t.Fatal(err)
	}
	single(t, conn, "SET lock_timeout = '20ms'")
	kindsOf(t, conn, "SELECT holder FROM leases", dberr.Unavailable)
}

// shared returns two pools on one schema.
func shared(t *testing.T) (one, two *gorm.DB) {
	t.Helper()
	one = dbtest.Postgres(t, "none", dbtest.NoTables())
	var schema string
	if err := one.Raw("SELECT current_schema()").Scan(&schema).Error; err != nil {
		t.Fatal(err)
	}
	return one, dbtest.Again(t, schema)
}

// The end of the caller's context says nothing about the database.
func TestCallersTimeoutIsNotUnavailable(t *testing.T) {
	t.Parallel()
	conn := dbtest.Postgres(t, "none", dbtest.NoTables())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := conn.WithContext(ctx).Exec("SELECT pg_sleep(10)").Error
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, db.ErrUnavailable) {
		t.Errorf("got %v, want only the context's error", err)
	}
}

// If the pool has no free connection within the caller's time, the caller gets its own
// timeout. The error must not be classified as a fault of the data.
func TestExhaustedPoolIsTimeout(t *testing.T) {
	t.Parallel()
	conn := dbtest.Postgres(t, "none", dbtest.NoTables())
	single(t, conn)
	holder := conn.Begin()
	t.Cleanup(func() { holder.Rollback() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for way, run := range ways(ctx, conn, "SELECT 1") {
		if err := run(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v, want DeadlineExceeded", way, err)
		}
	}
}

// counting creates a table with two rows, on which concurrent increments conflict.
func counting(t *testing.T, conn *gorm.DB) {
	t.Helper()
	for _, s := range []string{"CREATE TABLE counts (id text PRIMARY KEY, n bigint NOT NULL)", "INSERT INTO counts VALUES ('a', 0), ('b', 0)"} {
		if err := conn.Exec(s).Error; err != nil {
			t.Fatal(err)
		}
	}
}

// serializable returns a pool on conn's schema in which every transaction is serializable.
func serializable(t *testing.T, conn *gorm.DB) *gorm.DB {
	t.Helper()
	var schema string
	if err := conn.Raw("SELECT current_schema()").Scan(&schema).Error; err != nil {
		t.Fatal(err)
	}
	return dbtest.Again(t, schema, "default_transaction_isolation", "serializable")
}

func TestRetriesSerializationFailures(t *testing.T) {
	t.Parallel()
	const workers, rounds = 6, 10
	for name, increment := range map[string]func(context.Context, *gorm.DB) error{
		"in a transaction": func(ctx context.Context, conn *gorm.DB) error {
			return dbtx.Run(conn.WithContext(ctx), func(tx *gorm.DB) error {
				var n int64
				if err := tx.Raw("SELECT n FROM counts WHERE id = 'a'").Scan(&n).Error; err != nil {
					return err
				}
				return tx.Exec("UPDATE counts SET n = ? WHERE id = 'a'", n+1).Error
			})
		},
		"as one statement": func(ctx context.Context, conn *gorm.DB) error {
			return conn.WithContext(ctx).Exec("UPDATE counts SET n = n + 1 WHERE id = 'a'").Error
		},
		"as a statement that returns rows": func(ctx context.Context, conn *gorm.DB) error {
			var n int64
			return conn.WithContext(ctx).Raw("UPDATE counts SET n = n + 1 WHERE id = 'a' RETURNING n").Scan(&n).Error
		},
		"as a series": func(ctx context.Context, conn *gorm.DB) error {
			return db.Commit(ctx, conn, []db.Statement{
				{SQL: "SELECT n FROM counts"}, {SQL: "UPDATE counts SET n = n + ? WHERE id = 'a'", Args: []any{1}},
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plain := dbtest.Postgres(t, "none", dbtest.NoTables())
			counting(t, plain)
			conn := serializable(t, plain)
			var wait sync.WaitGroup
			var done atomic.Int64
			for range workers {
				wait.Go(func() {
					for range rounds {
						switch err := increment(t.Context(), conn); {
						case err == nil:
							done.Add(1)
						case !errors.Is(err, db.ErrUnavailable):
							t.Errorf("got %v, want ErrUnavailable", err)
						}
					}
				})
			}
			wait.Wait()
			var n int64
			if err := plain.Raw("SELECT n FROM counts WHERE id = 'a'").Scan(&n).Error; err != nil {
				t.Fatal(err)
			}
			if n != done.Load() || n < workers*rounds*9/10 {
				t.Errorf("%d of %d increments succeeded, but the count is %d", done.Load(), workers*rounds, n)
			}
		})
	}
}

// Two transactions lock rows in opposite order. The server aborts one of them, which is
// retried; both commit.
func TestRetriesDeadlocks(t *testing.T) {
	t.Parallel()
	conn := dbtest.Postgres(t, "none", dbtest.NoTables())
	counting(t, conn)
	both := make(chan struct{}, 2)
	var runs atomic.Int64
	transfer := func(from, to string) error {
		first := true
		return dbtx.Run(conn.WithContext(t.Context()), func(tx *gorm.DB) error {
			runs.Add(1)
			if err := tx.Exec("UPDATE counts SET n = n - 1 WHERE id = ?", from).Error; err != nil {
				return err
			}
			if first { // wait until each transaction has locked one row
				first = false
				both <- struct{}{}
				for len(both) < 2 {
					time.Sleep(time.Millisecond)
				}
			}
			return tx.Exec("UPDATE counts SET n = n + 1 WHERE id = ?", to).Error
		})
	}
	var wait sync.WaitGroup
	for _, way := range [][2]string{{"a", "b"}, {"b", "a"}} {
		wait.Go(func() {
			if err := transfer(way[0], way[1]); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	var sum, most int64
	if err := conn.Raw("SELECT SUM(n), MAX(n) FROM counts").Row().Scan(&sum, &most); err != nil {
		t.Fatal(err)
	}
	if sum != 0 || most != 0 || runs.Load() < 3 {
		t.Errorf("sum %d, maximum %d after %d runs", sum, most, runs.Load())
	}
}

// A transaction that conflicts every time fails with ErrUnavailable after MaxAttempts.
func TestPermanentConflictIsUnavailable(t *testing.T) {
	t.Parallel()
	conn := dbtest.Postgres(t, "none", dbtest.NoTables())
	runs := 0
	err := dbtx.Run(conn.WithContext(t.Context()), func(tx *gorm.DB) error {
		runs++
		return tx.Exec("DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $$").Error
	})
	if !errors.Is(err, db.ErrUnavailable) || runs != dbtx.MaxAttempts {
		t.Errorf("Run: got %v after %d runs, want ErrUnavailable after %d", err, runs, dbtx.MaxAttempts)
	}
	runs = 0
	err = dbtx.Once(conn.WithContext(t.Context()), func(tx *gorm.DB) error {
		runs++
		return tx.Exec("DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40P01'; END $$").Error
	})
	if !errors.Is(err, db.ErrUnavailable) || runs != 1 {
		t.Errorf("Once: got %v after %d runs, want ErrUnavailable after 1", err, runs)
	}
}

// The pool closes a connection whose server became read-only or is shutting down, or whose
// prepared statements are invalid.
func TestDropsUnusableConnections(t *testing.T) {
	t.Parallel()
	for name, state := range map[string]string{
		"read-only":          "25006",
		"shutting down":      "57P01",
		"starting":           "57P03",
		"a cached plan":      "0A000",
		"unknown statement":  "26000",
		"a statement exists": "42P05",
		"corrupt":            "XX001",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dbtest.Postgres(t, "none", dbtest.NoTables())
			single(t, conn)
			backend := func() (pid int) {
				if err := conn.Raw("SELECT pg_backend_pid()").Scan(&pid).Error; err != nil {
					t.Fatal(err)
				}
				return pid
			}
			before := backend()
			raise := fmt.Sprintf("DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '%s'; END $$", state)
			for way, run := range ways(t.Context(), conn, raise) {
				if err := run(); !dberr.Transient(err) {
					t.Errorf("%s: got %v, want a transient error", way, err)
				}
				after := backend()
				if after == before {
					t.Errorf("the pool uses the same connection after %s", way)
				}
				before = after
			}
		})
	}
}

// After a failover all connections of the same age lead to the same server. If one of them is
// unusable, the pool closes the others, too.
func TestDropsOlderConnectionsWithUnusableOne(t *testing.T) {
	t.Parallel()
	conn := dbtest.Postgres(t, "none", dbtest.NoTables())
	pool, err := conn.DB()
	if err != nil {
		t.Fatal(err)
	}
	const n = 4
	backends := func() map[int]bool {
		pids := map[int]bool{}
		for range n {
			one, err := pool.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer one.Close()
			var pid int
			if err := one.QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
				t.Fatal(err)
			}
			pids[pid] = true
		}
		return pids
	}
	before := backends()
	time.Sleep(1100 * time.Millisecond) // connections younger than a second do not affect others
	if err := conn.Exec("DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '25006'; END $$").Error; !errors.Is(err, db.ErrUnavailable) {
		t.Fatal(err)
	}
	for pid := range backends() {
		if before[pid] {
			t.Errorf("the pool uses backend %d again", pid)
		}
	}
}

// If the columns of a table change after statements on it were prepared, at most one request
// per connection fails.
func TestChangedTableFailsAtMostOneRequest(t *testing.T) {
	t.Parallel()
	conn := dbtest.Postgres(t, "none", dbtest.NoTables())
	counting(t, conn)
	single(t, conn)
	read := func() error {
		return conn.Raw("SELECT * FROM counts WHERE id = ?", "a").Scan(&[]map[string]any{}).Error //nolint:unqueryvet // the columns change
	}
	for range 2 {
		if err := read(); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Exec("ALTER TABLE counts ALTER n TYPE text").Error; err != nil {
		t.Fatal(err)
	}
	if err := read(); err != nil && !errors.Is(err, dberr.ErrUnfit) {
		t.Errorf("first query: %v", err)
	}
	if err := read(); err != nil {
		t.Errorf("second query: %v", err)
	}
}

func TestReplacesConnectionsAfterMaxLife(t *testing.T) {
	t.Parallel()
	conn := dbtest.Postgres(t, "none", dbtest.NoTables())
	var schema string
	if err := conn.Raw("SELECT current_schema()").Scan(&schema).Error; err != nil {
		t.Fatal(err)
	}
	short, err := db.Open(t.Context(), db.Config{
		URL: dbtest.URL(t), Schema: schema, Log: slog.New(slog.DiscardHandler), MaxLife: 50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(short) })
	pids := map[int]bool{}
	for deadline := time.Now().Add(30 * time.Second); len(pids) < 3 && time.Now().Before(deadline); {
		var pid int
		if err := short.Raw("SELECT pg_backend_pid()").Scan(&pid).Error; err != nil {
			t.Fatal(err)
		}
		pids[pid] = true
	}
	if len(pids) < 3 {
		t.Errorf("the pool used only %d connections, want 3", len(pids))
	}
}
