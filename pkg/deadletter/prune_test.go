package deadletter_test

import (
	"slices"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/deadletter"
)

// Letters that were closed before the time are deleted, up to the limit; open ones stay.
func TestPruneDeletesOldClosedLetters(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		now := time.Now().UTC().Truncate(time.Second)
		insert := func(event, state string, closed any) {
			t.Helper()
			err := conn.Exec(`INSERT INTO dead_letters (subscriber, stream, position, event_id, type, subject, body, error, cause, attempts, first_at, last_at, state, reason, closed_at)
				VALUES ('a', 'b', 1, ?, '', '', ?, '', '', 1, ?, ?, ?, '', ?)`, event, []byte("{}"), now.Add(-99*time.Hour), now.Add(-99*time.Hour), state, closed).Error
			if err != nil {
				t.Fatal(err)
			}
		}
		insert("open", "open", nil)
		insert("old1", "retried", now.Add(-3*time.Hour))
		insert("old2", "discarded", now.Add(-2*time.Hour))
		insert("young", "discarded", now)
		for _, want := range []int64{1, 1, 0} {
			if n, err := deadletter.Prune(conn, now.Add(-time.Hour), 1); err != nil || n != want {
				t.Errorf("deleted %d, %v; want %d", n, err, want)
			}
		}
		var left []string
		if err := conn.Raw("SELECT event_id FROM dead_letters ORDER BY event_id").Scan(&left).Error; err != nil || !slices.Equal(left, []string{"open", "young"}) {
			t.Errorf("%q are left, %v", left, err)
		}
	})
}
