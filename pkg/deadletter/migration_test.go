package deadletter_test

import (
	"os"
	"strings"
	"testing"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/deadletter"
)

// Older versions could write several open letters for one event. The migration closes all
// but one of them.
func TestMigrationClosesDuplicateLetters(t *testing.T) {
	dbtest.Each(t, "catalog", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		text, err := os.ReadFile("../../internal/platform/db/migrations/" + conn.Name() + "/00003_one_letter.sql")
		if err != nil {
			t.Fatal(err)
		}
		statements := []string{"DROP INDEX dead_letters_once"}
		for _, event := range []string{"a", "a", "b", "a", "", ""} {
			statements = append(statements, `INSERT INTO dead_letters (subscriber, stream, position, event_id, type, subject, body, error, cause, attempts, first_at, last_at, state, reason)
				VALUES ('catalog', 'inventory', 1, '`+event+`', '', '', '', 'no', 'no', 5, '2026-01-02 03:04:05+00:00', '2026-01-02 03:04:06+00:00', 'open', '')`)
		}
		for _, statement := range append(statements, strings.Split(strings.TrimSpace(string(text)), ";\n")...) {
			if err := conn.Exec(statement).Error; err != nil {
				t.Fatal(err)
			}
		}
		open, err := deadletter.List(t.Context(), conn, deadletter.Filter{State: deadletter.Open}, 0, 10)
		if err != nil || len(open) != 4 || open[0].ID != 1 || open[0].EventID != "a" || open[1].EventID != "b" {
			t.Errorf("open are %+v, %v", open, err)
		}
		closed, err := deadletter.List(t.Context(), conn, deadletter.Filter{State: deadletter.Discarded}, 0, 10)
		if err != nil || len(closed) != 2 || closed[0].ClosedAt == nil || closed[0].Reason == "" {
			t.Errorf("closed are %+v, %v", closed, err)
		}
	})
}
