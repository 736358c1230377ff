// Package dbtest provides migrated databases for tests, on SQLite and PostgreSQL. Each test
// gets its own.
package dbtest

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/test/harness/nodes"
	"quadrille/test/harness/parts"
)

// Each runs test twice, in parallel: on a new SQLite file, and in a new schema of PostgreSQL.
// Both are migrated.
func Each(t *testing.T, service string, own fs.FS, test func(t *testing.T, conn *gorm.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, SQLite(t, service, own))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, Postgres(t, service, own))
	})
}

// SQLite opens a new, migrated SQLite file in the test's temporary folder.
func SQLite(t testing.TB, service string, own fs.FS) *gorm.DB {
	t.Helper()
	return open(t, db.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), service+".db")}, service, own)
}

// Postgres opens a new, migrated schema of PostgreSQL and drops it after the test.
func Postgres(t testing.TB, service string, own fs.FS) *gorm.DB {
	t.Helper()
	return schemaOf(t, parts.Postgres(t), service, own)
}

// Cuttable opens a schema like Postgres, through a proxy that can cut the connections. The
// proxy is restored after the test.
func Cuttable(t testing.TB, service string, own fs.FS) (*gorm.DB, *nodes.Proxy) {
	t.Helper()
	server, err := url.Parse(parts.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	proxy := nodes.NewProxy(t, server.Host)
	server.Host = proxy.Address()
	conn := schemaOf(t, server.String(), service, own)
	t.Cleanup(proxy.Mend) // before the schema is dropped
	return conn, proxy
}

// URL returns the URL of PostgreSQL.
func URL(t testing.TB) string {
	t.Helper()
	return parts.Postgres(t)
}

// Again opens another pool on a schema that Postgres created. settings alternates names and
// values of session settings.
func Again(t testing.TB, schema string, settings ...string) *gorm.DB {
	t.Helper()
	server, err := url.Parse(parts.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	query := server.Query()
	for i := 0; i+1 < len(settings); i += 2 {
		query.Set(settings[i], settings[i+1])
	}
	server.RawQuery = query.Encode()
	conn, err := db.Open(t.Context(), db.Config{URL: server.String(), Schema: schema, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(conn) })
	return conn
}

// Plain opens a pool of database/sql on a PostgreSQL server, without package db.
func Plain(t testing.TB, server string) *sql.DB {
	t.Helper()
	conn, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// Restricted names a role that may use a schema, but has no privileges on its tables.
type Restricted struct{ Name, Schema string }

// Role creates a role that may use conn's schema, and drops it after the test.
func Role(t testing.TB, conn *gorm.DB) Restricted {
	t.Helper()
	role := Restricted{Name: "t" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]}
	if err := conn.Raw("SELECT current_schema()").Scan(&role.Schema).Error; err != nil {
		t.Fatal(err)
	}
	run := func(statement string) {
		if err := conn.WithContext(context.WithoutCancel(t.Context())).Exec(statement).Error; err != nil {
			t.Errorf("%s: %v", statement, err)
		}
	}
	run("CREATE ROLE " + role.Name + " LOGIN")
	t.Cleanup(func() {
		run("DROP OWNED BY " + role.Name)
		run("DROP ROLE " + role.Name)
	})
	run("GRANT USAGE ON SCHEMA " + role.Schema + " TO " + role.Name)
	return role
}

func schemaOf(t testing.TB, server, service string, own fs.FS) *gorm.DB {
	t.Helper()
	schema := "t" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12] + "_" + service
	conn := open(t, db.Config{URL: server, Schema: schema}, service, own)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := conn.WithContext(ctx).Exec(fmt.Sprintf("DROP SCHEMA IF EXISTS %q CASCADE", schema)).Error; err != nil {
			t.Errorf("drop schema: %v", err)
		}
	})
	return conn
}

func open(t testing.TB, cfg db.Config, service string, own fs.FS) *gorm.DB {
	t.Helper()
	cfg.Log = slog.New(slog.DiscardHandler)
	conn, err := db.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(conn); err != nil {
			t.Errorf("close database: %v", err)
		}
	})
	if err := db.Migrate(t.Context(), conn, service, own); err != nil {
		t.Fatal(err)
	}
	return conn
}
