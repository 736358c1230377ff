package db

import (
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"quadrille/pkg/deadletter"
	"quadrille/test/harness/parts"
)

// Earlier versions stored subjects of any length, in a column without an index. The migration
// that adds the index accepts them, and cuts them as the consumers do that look for them.
func TestMigrationAcceptsLettersWithLongSubjects(t *testing.T) {
	long := make([]byte, 6000) // longer than an index row of PostgreSQL, also compressed
	for i := range long {
		long[i] = byte('!' + rand.IntN('~'-'!'))
	}
	subjects := []string{"A", strings.Repeat("b", 500), strings.Repeat("c", 501), string(long), strings.Repeat("é", 4000)}
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
			if err := migrate(t.Context(), conn, "schema_common", before(t, "00005")); err != nil {
				t.Fatal(err)
			}
			for i, subject := range subjects {
				err := conn.Exec(`INSERT INTO dead_letters (subscriber, stream, position, event_id, type, subject, body, error, cause, attempts, first_at, last_at, state, reason)
					VALUES ('catalog', 'inventory', ?, '', 'inventory.sku_processed', ?, '{}', 'no', 'no', 5, ?, ?, 'open', '')`, i, subject, Now(), Now()).Error
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := migrate(t.Context(), conn, "schema_common", common); err != nil {
				t.Fatal(err)
			}
			letters, err := deadletter.List(t.Context(), conn, deadletter.Filter{State: deadletter.Open}, 0, 10)
			if err != nil || len(letters) != len(subjects) {
				t.Fatalf("%d letters of %d are open, %v", len(letters), len(subjects), err)
			}
			for i, subject := range subjects[:4] { // of one byte per character
				if got := letters[i].Subject; name == "postgres" && got != deadletter.Key(subject) {
					t.Errorf("the subject is %q, want %q", got, deadletter.Key(subject))
				}
			}
		})
	}
}
