package db_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/test/harness/parts"
)

func TestCanWrite(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		if err := db.CanWrite(t.Context(), conn); err != nil {
			t.Fatalf("a database that is well: %v", err)
		}
		if err := conn.Exec("ALTER TABLE leases RENAME TO hidden").Error; err != nil {
			t.Fatal(err)
		}
		if err := db.CanWrite(t.Context(), conn); err == nil || !strings.Contains(err.Error(), "leases") {
			t.Errorf("without its tables: %v, want an error that names the table", err)
		}
	})
}

// The error names what keeps a role from writing.
func TestCannotWrite(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		statement string // %s is the role and its schema
		reopen    bool   // settings of a role count from the next connection on
		code      string
	}{
		"read-only by default": {"ALTER ROLE %s SET default_transaction_read_only = on", true, "25006"},
		"a right revoked":      {"REVOKE UPDATE ON %[1]s.leases FROM %[1]s", false, "42501"},
		"a schema dropped":     {"DROP SCHEMA %s CASCADE", false, "42P01"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			admin := dbtest.Postgres(t, "none", dbtest.NoTables())
			role, open := ownRole(t, admin)
			conn := open()
			if err := db.Migrate(t.Context(), conn, "none", dbtest.NoTables()); err != nil {
				t.Fatal(err)
			}
			if err := db.CanWrite(t.Context(), conn); err != nil {
				t.Fatal(err)
			}
			if err := admin.Exec(fmt.Sprintf(c.statement, role)).Error; err != nil {
				t.Fatal(err)
			}
			if c.reopen {
				conn = open()
			}
			if err := db.CanWrite(t.Context(), conn); err == nil || !strings.Contains(err.Error(), c.code) {
				t.Errorf("got %v, want an error with SQLSTATE %s", err, c.code)
			}
		})
	}
}

// ownRole makes a role with a schema of its name, dropped at the end, and returns a
// function that connects as this role.
func ownRole(t *testing.T, admin *gorm.DB) (role string, open func() *gorm.DB) {
	t.Helper()
	role = "t" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
	run := func(statements ...string) {
		for _, s := range statements {
			if err := admin.WithContext(context.WithoutCancel(t.Context())).Exec(s).Error; err != nil {
				t.Error(err)
			}
		}
	}
	run("CREATE ROLE "+role+" LOGIN PASSWORD 'x'", "CREATE SCHEMA "+role+" AUTHORIZATION "+role)
	t.Cleanup(func() { run("DROP SCHEMA IF EXISTS "+role+" CASCADE", "DROP OWNED BY "+role, "DROP ROLE "+role) })
	server, err := url.Parse(parts.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	server.User = url.UserPassword(role, "x")
	return role, func() *gorm.DB {
		conn, err := db.Open(t.Context(), db.Config{URL: server.String(), Schema: role, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close(conn) })
		return conn
	}
}

// A server that takes the request and says nothing is not waited for.
func TestCanWriteIsBounded(t *testing.T) {
	t.Parallel()
	conn, proxy := dbtest.Cuttable(t, "none", dbtest.NoTables())
	if err := db.CanWrite(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	proxy.Hang()
	began := time.Now()
	err := db.CanWrite(t.Context(), conn)
	if err == nil || time.Since(began) > 10*time.Second {
		t.Errorf("got %v after %s", err, time.Since(began))
	}
}
