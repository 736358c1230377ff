package db_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/test/harness/nodes"
)

func openOn(t *testing.T, url string) *gorm.DB {
	t.Helper()
	conn, err := db.OpenMigrated(t.Context(), db.Config{URL: url, Schema: "shop", Log: slog.New(slog.DiscardHandler)}, "none", dbtest.NoTables())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(conn) })
	return conn
}

// writes makes n concurrent writes and returns the number that succeeded. The others must
// fail with ErrUnavailable.
func writes(t *testing.T, conn *gorm.DB, n int) (done int) {
	t.Helper()
	var wait sync.WaitGroup
	var mu sync.Mutex
	for range n {
		wait.Go(func() {
			err := conn.WithContext(t.Context()).Exec("UPDATE leases SET holder = holder WHERE name = 'none'").Error
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				done++
			case !errors.Is(err, db.ErrUnavailable):
				t.Errorf("write: got %v, want ErrUnavailable", err)
			}
		})
	}
	wait.Wait()
	return done
}

// allWrite repeats n concurrent writes until all of them succeed, at most for within.
func allWrite(t *testing.T, conn *gorm.DB, n int, within time.Duration) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		done := writes(t, conn, n)
		if done == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("only %d of %d writes succeed after %s", done, n, within)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// replicated waits until the standby has the tables of its primary.
func replicated(t *testing.T, standby *nodes.PostgresNode) {
	t.Helper()
	conn := dbtest.Plain(t, standby.URL())
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		var found bool
		if err := conn.QueryRowContext(t.Context(), "SELECT to_regclass('shop.leases') IS NOT NULL").Scan(&found); err != nil {
			t.Fatal(err)
		}
		if found {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the standby has no tables after a minute")
		}
	}
}

// A host name first leads to a standby, then to the primary. The connections to the standby
// stay open, but the pool stops using them.
func TestFollowsNameToNewPrimary(t *testing.T) {
	t.Parallel()
	primary := nodes.Postgres(t)
	proxy := nodes.NewProxy(t, primary.Address())
	conn := openOn(t, strings.Replace(primary.URL(), primary.Address(), proxy.Address(), 1))
	standby := primary.Standby(t)
	replicated(t, standby)
	proxy.Point(standby.Address())
	proxy.Cut()
	proxy.Mend()
	if done := writes(t, conn, 20); done != 0 {
		t.Fatalf("%d writes succeeded on a standby", done)
	}
	if err := db.CanWrite(t.Context(), conn); err == nil {
		t.Error("CanWrite returns nil on a standby")
	}
	// Connections younger than a second do not affect others: let all become older.
	holdAll(t, conn)
	time.Sleep(1100 * time.Millisecond)
	proxy.Point(primary.Address())
	allWrite(t, conn, 20, 10*time.Second)
	if err := db.CanWrite(t.Context(), conn); err != nil {
		t.Error(err)
	}
}

// holdAll opens every connection of the pool and only pings.
func holdAll(t *testing.T, conn *gorm.DB) {
	t.Helper()
	pool, err := conn.DB()
	if err != nil {
		t.Fatal(err)
	}
	for range pool.Stats().MaxOpenConnections {
		one, err := pool.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer one.Close()
		if err := one.PingContext(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// The pool uses the host that accepts writes, before and after the standby is promoted.
func TestUsesWritableHostOfSeveral(t *testing.T) {
	t.Parallel()
	primary := nodes.Postgres(t)
	standby := primary.Standby(t)
	url := fmt.Sprintf("postgres://postgres@%s,%s/postgres?sslmode=disable&target_session_attrs=read-write", standby.Address(), primary.Address())
	conn := openOn(t, url)
	allWrite(t, conn, 20, 10*time.Second)
	replicated(t, standby)
	if err := primary.Stop(); err != nil {
		t.Fatal(err)
	}
	if done := writes(t, conn, 5); done != 0 {
		t.Errorf("%d writes succeeded without a primary", done)
	}
	if _, err := dbtest.Plain(t, standby.URL()).ExecContext(t.Context(), "SELECT pg_promote()"); err != nil {
		t.Fatal(err)
	}
	allWrite(t, conn, 20, 30*time.Second)
}

// A role becomes read-only, and writable again.
func TestWritesAgainAfterRoleWasReadOnly(t *testing.T) {
	t.Parallel()
	node := nodes.Postgres(t)
	conn := openOn(t, node.URL())
	allWrite(t, conn, 10, 10*time.Second)
	admin := dbtest.Plain(t, node.URL())
	if _, err := admin.ExecContext(t.Context(), "ALTER ROLE postgres SET default_transaction_read_only = on"); err != nil {
		t.Fatal(err)
	}
	fresh := openOnReadOnly(t, node.URL())
	if done := writes(t, fresh, 10); done != 0 {
		t.Errorf("%d writes succeeded with a read-only role", done)
	}
	if _, err := admin.ExecContext(t.Context(), "ALTER ROLE postgres SET default_transaction_read_only = off"); err != nil {
		t.Fatal(err)
	}
	allWrite(t, fresh, 10, 10*time.Second)
}

func openOnReadOnly(t *testing.T, url string) *gorm.DB {
	t.Helper()
	conn, err := db.Open(t.Context(), db.Config{URL: url, Schema: "shop", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(conn) })
	return conn
}
