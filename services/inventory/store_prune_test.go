package inventory

import (
	"slices"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/internal/platform/db/dbtest"
)

// Ended imports are deleted with their errors, those of large ones in several steps. Imports
// that are young, or not over, stay.
func TestPruneImports(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, Name, migrations, func(t *testing.T, conn *gorm.DB) {
		now := db.Now()
		add := func(id, status string, ended *time.Time, errors int) {
			t.Helper()
			if err := conn.Create(&Import{ID: id, Status: status, CreatedAt: now.Add(-99 * time.Hour), FinishedAt: ended}).Error; err != nil {
				t.Fatal(err)
			}
			for n := range errors {
				if err := conn.Create(&ImportError{ImportID: id, Line: int64(n + 1), Detail: "no"}).Error; err != nil {
					t.Fatal(err)
				}
			}
		}
		old := now.Add(-2 * time.Hour)
		add("1", ImportDone, &old, 25)
		add("2", ImportCancelled, &old, 0)
		add("3", ImportDone, &now, 3)
		add("4", ImportRunning, nil, 2)
		steps := 0
		for n := int64(10); n >= 10; steps++ {
			var err error
			if n, err = pruneImports(conn, now.Add(-time.Hour), 10); err != nil || steps > 10 {
				t.Fatalf("step %d: %v", steps, err)
			}
		}
		var left []string
		if err := conn.Model(&Import{}).Order("id").Pluck("id", &left).Error; err != nil || !slices.Equal(left, []string{"3", "4"}) {
			t.Errorf("imports %q are left, %v", left, err)
		}
		var lines int64
		if err := conn.Model(&ImportError{}).Count(&lines).Error; err != nil || lines != 5 {
			t.Errorf("%d errors are left, %v", lines, err)
		}
	})
}
