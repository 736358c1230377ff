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

func TestCanWriteNeedsTables(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		if err := db.CanWrite(t.Context(), conn); err != nil {
			t.Fatalf("migrated database: %v", err)
		}
		if err := conn.Exec("ALTER TABLE leases RENAME TO hidden").Error; err != nil {
			t.Fatal(err)
		}
		if err := db.CanWrite(t.Context(), conn); err == nil || !strings.Contains(err.Error(), "leases") {
			t.Errorf("without a table: got %v, want an error that names it", err)
		}
	})
}

// The error has the SQLSTATE of the cause.
func TestCanWriteReportsWhyRoleCannotWrite(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		statement string // %s stands for the role and for its schema
		reopen    bool   // a role's settings take effect in new connections
		code      string
	}{
		"read-only by default": {"ALTER ROLE %s SET default_transaction_read_only = on", true, "25006"},
		"privilege revoked":    {"REVOKE UPDATE ON %[1]s.leases FROM %[1]s", false, "42501"},
		"schema dropped":       {"DROP SCHEMA %s CASCADE", false, "42P01"},
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

// ownRole creates a role and a schema with its name, and drops both after the test. open
// connects as the role.
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

// The server accepts the request and does not respond.
func TestCanWriteEndsWhileServerHangs(t *testing.T) {
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
