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

// A server that is cut off is away, for a statement and for a transaction, and its
// being away ends with it.
func TestAServerThatIsCutOffIsAway(t *testing.T) {
	t.Parallel()
	conn, proxy := dbtest.Cuttable(t, "none", dbtest.NoTables())
	asks := func() error { return conn.WithContext(t.Context()).Exec("SELECT 1").Error }
	within := func() error { return conn.WithContext(t.Context()).Transaction(func(*gorm.DB) error { return nil }) }
	proxy.Cut()
	for what, ask := range map[string]func() error{"a statement": asks, "a transaction": within} {
		if err := ask(); !errors.Is(err, db.ErrUnavailable) {
			t.Errorf("%s gives %v, want ErrUnavailable", what, err)
		}
	}
	proxy.Mend()
	if err := asks(); err != nil {
		t.Errorf("when it is there again: %v", err)
	}
}

// A connection that the server ends in the middle of a transaction takes only this
// transaction along.
func TestAServerThatEndsAConnectionIsAway(t *testing.T) {
	t.Parallel()
	conn := dbtest.Postgres(t, "none", dbtest.NoTables())
	err := conn.WithContext(t.Context()).Transaction(func(tx *gorm.DB) error {
		return tx.Exec("SELECT pg_terminate_backend(pg_backend_pid())").Error
	})
	var said *pgconn.PgError
	if !errors.Is(err, db.ErrUnavailable) || !errors.As(err, &said) || said.Code != "57P01" {
		t.Errorf("gives %v, want ErrUnavailable and what the server said", err)
	}
}

// A server that has no connection left is away for whoever wants one more.
func TestAServerThatIsFullIsAway(t *testing.T) {
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
	var said *pgconn.PgError
	if !errors.Is(err, db.ErrUnavailable) || !errors.As(err, &said) || said.Code != "53300" {
		t.Errorf("gives %v, want ErrUnavailable and what the server said", err)
	}
}

// Whoever asks by what it is that goes wrong is told so still, and what is no matter
// of being away is none.
func TestWhatIsNotAway(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		ended, end := context.WithCancel(t.Context())
		end()
		for what, err := range map[string]error{
			"no such table":   conn.Exec("SELECT 1 FROM nosuch").Error,
			"nothing found":   conn.Table("positions").Take(&map[string]any{}, "subscriber = 'nosuch'").Error,
			"who asks leaves": conn.WithContext(ended).Exec("SELECT 1").Error,
		} {
			if err == nil || errors.Is(err, db.ErrUnavailable) {
				t.Errorf("%s gives %v", what, err)
			}
		}
	})
}

// A file that somebody else writes for too long is busy.
func TestABusyFileIsAway(t *testing.T) {
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
		t.Errorf("a statement gives %v, want ErrUnavailable", err)
	}
	if err := conn.Transaction(func(*gorm.DB) error { return nil }); !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("a transaction gives %v, want ErrUnavailable", err)
	}
}
