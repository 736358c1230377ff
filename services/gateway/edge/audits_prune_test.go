package edge

import (
	"os"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/internal/platform/db/dbtest"
)

// Old audits are deleted, up to the limit.
func TestPruneAudits(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, "gateway", os.DirFS(".."), func(t *testing.T, conn *gorm.DB) {
		now := db.Now()
		for id, age := range map[string]time.Duration{"a": 3 * time.Hour, "b": 2 * time.Hour, "c": 0} {
			if err := conn.Create(&Audit{ID: id, Status: auditDone, StartedAt: now.Add(-age)}).Error; err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []int64{1, 1, 0} {
			if n, err := PruneAudits(conn, now.Add(-time.Hour), 1); err != nil || n != want {
				t.Errorf("deleted %d, %v; want %d", n, err, want)
			}
		}
	})
}
