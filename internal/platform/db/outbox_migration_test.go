package db

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"gorm.io/gorm"

	"quadrille/test/harness/parts"

	"github.com/google/uuid"
	"log/slog"
)

// before returns the common migrations that precede name.
func before(t *testing.T, name string) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(common, "migrations", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Base(path) >= name {
			return err
		}
		data, err := fs.ReadFile(common, path)
		files[path] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Before the migration, cursors of /feed are IDs; afterwards they are numbers that the relay
// assigns. An old cursor continues at the same event: none is missing, none comes twice.
func TestMigrationKeepsFeedCursors(t *testing.T) {
	schema := "t" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
	for name, cfg := range map[string]Config{
		"sqlite":   {URL: "sqlite:" + filepath.Join(t.TempDir(), "old.db")},
		"postgres": {URL: parts.Postgres(t), Schema: schema},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Log = slog.New(slog.DiscardHandler)
			conn, err := Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer Close(conn)
			if name == "postgres" {
				defer conn.Exec("DROP SCHEMA " + schema + " CASCADE")
			}
			if err := migrate(t.Context(), conn, "schema_common", before(t, "00004")); err != nil {
				t.Fatal(err)
			}
			insert := "INSERT INTO outbox (event_id, type, subject, routing_key, body, created_at, sent_at) VALUES (?, 't', 's', 'k', '{}', ?, ?)"
			for n := range 10 { // the sixth and the last two are unsent; the first and the last are deleted below, as if pruned
				var sent any = Now()
				if n == 5 || n >= 8 {
					sent = nil
				}
				mustExec(t, conn, insert, fmt.Sprint("e", n), Now(), sent)
			}
			mustExec(t, conn, "DELETE FROM outbox WHERE event_id IN ('e0', 'e9')")
			if err := migrate(t.Context(), conn, "schema_common", common); err != nil {
				t.Fatal(err)
			}
			var numbers []string
			err = conn.Raw("SELECT event_id || ' ' || COALESCE(feed_no, 0) || CASE WHEN due IS NULL THEN '' ELSE ' due' END FROM outbox ORDER BY id").Scan(&numbers).Error
			if want := "[e1 2 e2 3 e3 4 e4 5 e5 0 due e6 7 e7 8 e8 0 due]"; err != nil || fmt.Sprint(numbers) != want {
				t.Errorf("got %v, %v; want %s", numbers, err, want)
			}
			mustExec(t, conn, insert, "new", Now(), nil)
			var row struct {
				ID  int64
				Due bool
			}
			if err := conn.Raw("SELECT id, due IS NOT NULL AS due FROM outbox WHERE event_id = 'new'").Scan(&row).Error; err != nil || row.ID <= 10 || !row.Due {
				t.Errorf("new event: %+v, %v, want an ID above 10 that is due", row, err)
			}
		})
	}
}

func mustExec(t *testing.T, conn *gorm.DB, sql string, args ...any) {
	t.Helper()
	if err := conn.Exec(sql, args...).Error; err != nil {
		t.Fatal(err)
	}
}
