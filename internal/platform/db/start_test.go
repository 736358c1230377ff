package db_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"quadrille/internal/platform/db"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/test/harness/nodes"
)

// slowTables returns migrations that take long enough to be interrupted.
func slowTables() fstest.MapFS {
	files := fstest.MapFS{}
	for i := range 5 {
		sql := fmt.Sprintf("-- +goose Up\nCREATE TABLE t%d (id bigint PRIMARY KEY);\nSELECT pg_sleep(0.1);\n", i)
		files[fmt.Sprintf("migrations/postgres/%05d_t.sql", i+1)] = &fstest.MapFile{Data: []byte(sql)}
	}
	return files
}

// Twelve processes start while the server restarts three times. Each waits, and all of them
// succeed.
func TestStartSurvivesServerRestarts(t *testing.T) {
	t.Parallel()
	node := nodes.Postgres(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var starting sync.WaitGroup
	for i := range 12 {
		starting.Go(func() {
			cfg := db.Config{URL: node.URL(), Schema: fmt.Sprint("shop", i%4), Pool: 3, Log: slog.New(slog.DiscardHandler)}
			conn, err := db.OpenMigrated(ctx, cfg, "shop", slowTables())
			if err != nil {
				t.Errorf("start %d: %v", i, err)
				return
			}
			defer db.Close(conn)
			if err := conn.WithContext(ctx).Exec("INSERT INTO t4 VALUES (?)", i).Error; err != nil {
				t.Errorf("write %d: %v", i, err)
			}
		})
	}
	for i, end := range []func() error{node.Stop, node.Kill, node.Stop} {
		time.Sleep(time.Duration(150*(i+1)) * time.Millisecond) // at different stages of the start
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if err := node.Start(); err != nil {
			t.Fatal(err)
		}
	}
	starting.Wait()
}

// Waiting would not help, so the start ends with the server's error.
func TestStartEndsWithPermanentError(t *testing.T) {
	t.Parallel()
	node := nodes.Postgres(t)
	admin := dbtest.Plain(t, node.URL())
	for _, s := range []string{"CREATE ROLE poor LOGIN", "CREATE SCHEMA theirs", "REVOKE CREATE ON DATABASE postgres FROM PUBLIC"} {
		if _, err := admin.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	broken := fstest.MapFS{"migrations/postgres/00001_x.sql": &fstest.MapFile{Data: []byte("-- +goose Up\nSELECT 1/0;\n")}}
	for name, c := range map[string]struct {
		url, schema, want string
		tables            fstest.MapFS
	}{
		"no such database":           {strings.Replace(node.URL(), "/postgres?", "/nosuch?", 1), "a", "nosuch", slowTables()},
		"no such role":               {strings.Replace(node.URL(), "postgres@", "nobody@", 1), "b", "nobody", slowTables()},
		"no privilege":               {strings.Replace(node.URL(), "postgres@", "poor@", 1), "c", "permission denied", slowTables()},
		"no privilege on the schema": {strings.Replace(node.URL(), "postgres@", "poor@", 1), "theirs", "may not use the schema", slowTables()},
		"a broken migration":         {node.URL(), "d", "division by zero", broken},
		"not a URL":                  {"postgres://127.0.0.1:port/x", "e", "not a valid PostgreSQL URL", slowTables()},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		_, err := db.OpenMigrated(ctx, db.Config{URL: c.url, Schema: c.schema, Log: slog.New(slog.DiscardHandler)}, "shop", c.tables)
		if err == nil || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
		cancel()
	}
}
