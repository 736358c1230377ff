package consumer_test

import (
	"testing"

	"gorm.io/gorm"

	"quadrille/pkg/bus"
)

// A reader whose history was replaced is behind, whatever the new one holds: nobody
// may take it for at rest.
func TestReplacedHistoryCountsAsLag(t *testing.T) {
	for name, left := range map[string]int{"nothing": 0, "less": 3, "as much": 10, "more": 12} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
				tell(t, log, 0, 10)
				r := reader(t, conn, log, &tally{})
				if err := r.RunOnce(t.Context()); err != nil {
					t.Fatal(err)
				}
				if s := r.Status(t.Context()); s.Lag != 0 {
					t.Fatalf("a reader at the end is %d behind", s.Lag)
				}
				if err := log.Drop(t.Context(), "inventory"); err != nil {
					t.Fatal(err)
				}
				tell(t, log, 100, left)
				if s := r.Status(t.Context()); s.Lag == 0 {
					t.Errorf("a reader at %+v of a history that ends at %+v is not behind", s.Position, s.End)
				}
			})
		})
	}
}
