package db_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/test/harness/parts"
)

// Statements and transactions fail while the connection is cut, and succeed afterwards.
func TestServerThatIsCutOffIsUnavailable(t *testing.T) {
	t.Parallel()
	conn, proxy := dbtest.Cuttable(t, "none", dbtest.NoTables())
	statement := func() error { return conn.WithContext(t.Context()).Exec("SELECT 1").Error }
	transaction := func() error { return conn.WithContext(t.Context()).Transaction(func(*gorm.DB) error { return nil }) }
	proxy.Cut()
	for name, run := range map[string]func() error{"a statement": statement, "a transaction": transaction} {
		if err := run(); !errors.Is(err, db.ErrUnavailable) {
			t.Errorf("%s: got %v, want ErrUnavailable", name, err)
		}
	}
	proxy.Mend()
	if err := statement(); err != nil {
		t.Errorf("after the connection is restored: %v", err)
	}
}

func TestConnectionEndedByServerIsUnavailable(t *testing.T) {
	t.Parallel()
	conn := dbtest.Postgres(t, "none", dbtest.NoTables())
	err := conn.WithContext(t.Context()).Transaction(func(tx *gorm.DB) error {
		return tx.Exec("SELECT pg_terminate_backend(pg_backend_pid())").Error
	})
	var cause *pgconn.PgError
	if !errors.Is(err, db.ErrUnavailable) || !errors.As(err, &cause) || cause.Code != "57P01" {
		t.Errorf("got %v, want ErrUnavailable and the server's error", err)
	}
}

func TestServerWithoutFreeConnectionIsUnavailable(t *testing.T) {
	t.Parallel()
	admin := dbtest.Postgres(t, "none", dbtest.NoTables())
	role := "t" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
	run := func(statements ...string) {
		for _, s := range statements {
			if err := admin.WithContext(context.WithoutCancel(t.Context())).Exec(s).Error; err != nil {
				t.Fatal(err)
			}
		}
	}
	run("CREATE ROLE "+role+" LOGIN PASSWORD 'x' CONNECTION LIMIT 1", "CREATE SCHEMA "+role+" AUTHORIZATION "+role)
	server, err := url.Parse(parts.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	server.User = url.UserPassword(role, "x")
	conn, err := db.Open(t.Context(), db.Config{URL: server.String(), Schema: role, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = db.Close(conn)
		run("DROP SCHEMA "+role+" CASCADE", "DROP ROLE "+role)
	})
	err = conn.Transaction(func(*gorm.DB) error { return conn.Exec("SELECT 1").Error })
	var cause *pgconn.PgError
	if !errors.Is(err, db.ErrUnavailable) || !errors.As(err, &cause) || cause.Code != "53300" {
		t.Errorf("got %v, want ErrUnavailable and the server's error", err)
	}
}

func TestOtherErrorsAreNotUnavailable(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		ended, end := context.WithCancel(t.Context())
		end()
		for name, err := range map[string]error{
			"no such table":     conn.Exec("SELECT 1 FROM nosuch").Error,
			"nothing found":     conn.Table("positions").Take(&map[string]any{}, "subscriber = 'nosuch'").Error,
			"cancelled context": conn.WithContext(ended).Exec("SELECT 1").Error,
		} {
			if err == nil || errors.Is(err, db.ErrUnavailable) {
				t.Errorf("%s: got %v", name, err)
			}
		}
	})
}

// Another process holds the write lock of the file for too long.
func TestBusyFileIsUnavailable(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	conn, err := db.Open(t.Context(), db.Config{URL: "sqlite:" + path, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(conn) })
	other, err := sql.Open("sqlite", db.DSN(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	writing, err := other.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = writing.Rollback() })
	if err := conn.Exec("PRAGMA busy_timeout = 1").Error; err != nil {
		t.Fatal(err)
	}
	if err := conn.Exec("CREATE TABLE x (a)").Error; !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("a statement: got %v, want ErrUnavailable", err)
	}
	if err := conn.Transaction(func(*gorm.DB) error { return nil }); !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("a transaction: got %v, want ErrUnavailable", err)
	}
}
