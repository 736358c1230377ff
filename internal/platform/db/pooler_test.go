package db_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/dbtx"
	"quadrille/test/harness/nodes"
)

// pooled is a PostgreSQL server behind PgBouncer, with a role for the test. The role's schema
// has the same name.
type pooled struct {
	bouncer *nodes.PgBouncerNode
	direct  *gorm.DB
	schema  string
	url     string // of PgBouncer, with the role
}

func behindBouncer(t *testing.T, settings ...string) pooled {
	t.Helper()
	direct := dbtest.Postgres(t, "none", dbtest.NoTables())
	role := "t" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
	server, err := url.Parse(dbtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	exec(t, direct, "CREATE ROLE "+role+" LOGIN SUPERUSER")
	t.Cleanup(func() {
		// PgBouncer was started later, so it has stopped and closed its connections.
		exec(t, direct, "DROP SCHEMA IF EXISTS "+role+" CASCADE")
		exec(t, direct, "DROP ROLE "+role)
	})
	server.User = url.User(role)
	b := nodes.PgBouncer(t, server.String(), settings...)
	return pooled{bouncer: b, direct: direct, schema: role, url: b.URL()}
}

func exec(t *testing.T, conn *gorm.DB, statement string) {
	t.Helper()
	if err := conn.WithContext(context.WithoutCancel(t.Context())).Exec(statement).Error; err != nil {
		t.Errorf("%s: %v", statement, err)
	}
}

func (p pooled) open(t *testing.T) (*gorm.DB, error) {
	t.Helper()
	conn, err := db.OpenMigrated(t.Context(), db.Config{URL: p.url, Schema: p.schema, Log: slog.New(slog.DiscardHandler)}, "none", dbtest.NoTables())
	if err == nil {
		t.Cleanup(func() { _ = db.Close(conn) })
	}
	return conn, err
}

// tables returns the number of a service's tables in a schema.
func (p pooled) tables(t *testing.T, schema string) (n int) {
	t.Helper()
	err := p.direct.Raw("SELECT count(*) FROM pg_tables WHERE schemaname = ? AND tableowner = ?", schema, p.schema).Scan(&n).Error
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// works uses the pool like a service: concurrent transactions and series of statements.
func (p pooled) works(t *testing.T, conn *gorm.DB) {
	t.Helper()
	var wait sync.WaitGroup
	for i := range 20 {
		wait.Go(func() {
			rows := positions(fmt.Sprint("a", i), fmt.Sprint("b", i), fmt.Sprint("c", i))
			if err := db.Commit(t.Context(), conn, insertPositions(rows)); err != nil {
				t.Error(err)
			}
			for range 5 {
				err := dbtx.Run(conn.WithContext(t.Context()), func(tx *gorm.DB) error {
					return tx.Exec("UPDATE positions SET last_offset = last_offset + ? WHERE subscriber IN ?", 1, []string{fmt.Sprint("a", i)}).Error
				})
				if err != nil {
					t.Error(err)
				}
				var n int64
				if err := conn.Table("positions").Where("subscriber = ?", fmt.Sprint("b", i)).Count(&n).Error; err != nil || n != 1 {
					t.Errorf("%d rows, %v", n, err)
				}
			}
		})
	}
	wait.Wait()
	if p.tables(t, p.schema) < 3 || p.tables(t, "public") != 0 {
		t.Errorf("%d tables in the schema, %d in public", p.tables(t, p.schema), p.tables(t, "public"))
	}
	if err := db.CanWrite(t.Context(), conn); err != nil {
		t.Error(err)
	}
}

func TestWorksWithPgBouncerInSessionMode(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string][]string{
		"default settings":            {"pool_mode = session"},
		"ignoring startup parameters": {"pool_mode = session", "ignore_startup_parameters = search_path,idle_in_transaction_session_timeout"},
		"always resetting":            {"pool_mode = session", "server_reset_query = DISCARD ALL", "server_reset_query_always = 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := behindBouncer(t, settings...)
			conn, err := p.open(t)
			if err != nil {
				t.Fatal(err)
			}
			p.works(t, conn)
			if err := db.Close(conn); err != nil { // PgBouncer resets its server connections and uses them again
				t.Fatal(err)
			}
			if conn, err = p.open(t); err != nil {
				t.Fatal(err)
			}
			if err := db.CanWrite(t.Context(), conn); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRefusesPgBouncerInTransactionMode(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string][]string{
		"default settings":            {"pool_mode = transaction"},
		"ignoring startup parameters": {"pool_mode = transaction", "ignore_startup_parameters = search_path,idle_in_transaction_session_timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := behindBouncer(t, settings...)
			_, err := p.open(t)
			if !errors.Is(err, db.ErrPooler) {
				t.Fatalf("got %v, want ErrPooler", err)
			}
			for _, part := range []string{"PgBouncer", "ALTER ROLE", "search_path", "pool_mode = session", p.schema} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%v does not mention %s", err, part)
				}
			}
			if n := p.tables(t, "public") + p.tables(t, p.schema); n != 0 {
				t.Errorf("Open created %d tables before it refused", n)
			}
		})
	}
}

func TestWorksWithPgBouncerInTransactionModeAndRolePerService(t *testing.T) {
	t.Parallel()
	p := behindBouncer(t, "pool_mode = transaction")
	exec(t, p.direct, "CREATE SCHEMA "+p.schema+" AUTHORIZATION "+p.schema)
	exec(t, p.direct, "ALTER ROLE "+p.schema+" SET search_path = "+p.schema)
	conn, err := p.open(t)
	if err != nil {
		t.Fatal(err)
	}
	p.works(t, conn)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() { // other instances start meanwhile
			if _, err := p.open(t); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

func TestRefusesPgBouncerInStatementMode(t *testing.T) {
	t.Parallel()
	p := behindBouncer(t, "pool_mode = statement")
	if _, err := db.Open(t.Context(), db.Config{URL: p.url, Schema: p.schema}); !errors.Is(err, db.ErrPooler) || !strings.Contains(err.Error(), "statement mode") {
		t.Errorf("got %v, want ErrPooler that names the statement mode", err)
	}
}

// While other clients have all server connections, PgBouncer accepts the client and delays
// its first statement. Only a limit in package db ends the wait.
func TestWaitForPoolersServerConnectionIsBounded(t *testing.T) {
	t.Parallel()
	p := behindBouncer(t, "pool_mode = session", "default_pool_size = 2")
	conn, err := p.open(t)
	if err != nil {
		t.Fatal(err)
	}
	held := make([]*gorm.DB, 2) // all server connections
	for i := range held {
		held[i] = conn.WithContext(t.Context()).Begin()
		if held[i].Error != nil {
			t.Fatal(held[i].Error)
		}
	}
	const requestTime = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), requestTime)
	defer cancel()
	began := time.Now()
	err = conn.WithContext(ctx).Exec("UPDATE leases SET holder = holder WHERE 1 = 0").Error
	if !errors.Is(err, db.ErrUnavailable) || ctx.Err() != nil {
		t.Errorf("got %v after %s, want ErrUnavailable before the request's context ends", err, time.Since(began))
	}
	for _, tx := range held {
		if err := tx.Rollback().Error; err != nil {
			t.Fatal(err)
		}
	}
	allWrite(t, conn, 2, time.Minute)
}
