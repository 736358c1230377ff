package activity

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"gorm.io/gorm"

	"quadrille/pkg/events"
)

// While several instances append, the visible numbers have no gap at any moment, so that
// reading by number misses nothing.
func TestConcurrentAppendsLeaveNoVisibleGaps(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, conn *gorm.DB) {
		const writers, batches, size = 4, 20, 7
		i := start(t, conn, newSales())
		var writing sync.WaitGroup
		for w := range writers {
			writing.Go(func() {
				for b := range batches {
					var batch []events.Event
					for n := range size {
						batch = append(batch, caused(events.ProductChanged(fmt.Sprint(w, "-", b, "-", n), 1)))
					}
					if err := i.take(t.Context(), batch...); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for last := int64(0); last < writers*batches*size && !t.Failed(); {
			activities, err := i.store.after(t.Context(), last, 50)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range activities {
				if last++; n.Seq != last {
					t.Fatalf("%d comes after %d", n.Seq, last-1)
				}
			}
		}
		writing.Wait()
		if head, err := i.store.head(t.Context()); err != nil || head != writers*batches*size {
			t.Errorf("the head is %d (%v)", head, err)
		}
	})
}

func TestRecordsAnEventOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, conn *gorm.DB) {
		i := start(t, conn, newSales())
		batch := products(3)
		i.record(t, batch[0], batch[1], batch[0])
		i.record(t, batch...)
		i.record(t, batch[2], batch[1])
		activities, err := i.store.after(t.Context(), 0, 10)
		var ids []string
		for n, a := range activities {
			ids = append(ids, a.EventID)
			if a.Seq != int64(n+1) {
				t.Errorf("activity %d has the number %d", n+1, a.Seq)
			}
		}
		if err != nil || !slices.Equal(ids, []string{batch[0].ID, batch[1].ID, batch[2].ID}) {
			t.Errorf("recorded %v (%v)", ids, err)
		}
	})
}

func TestRecordsAllAttributesOfAnEvent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, conn *gorm.DB) {
		sales := newSales()
		i := start(t, conn, sales)
		placed := sales.placed("o1", "ann")
		allocated := events.OrderAllocated("o1", 3).Stamp(events.CausedBy(t.Context(), placed))
		i.record(t, placed)
		i.record(t, allocated)
		activities, err := i.store.after(t.Context(), 1, 10)
		if err != nil || len(activities) != 1 {
			t.Fatalf("recorded %v (%v)", activities, err)
		}
		n := activities[0]
		if n.SeenAt.Before(n.Time) || !n.Time.Equal(allocated.Time) {
			t.Errorf("happened %s, noted %s; want %s", n.Time, n.SeenAt, allocated.Time)
		}
		n.SeenAt, n.Time = allocated.Time, allocated.Time
		want := Activity{
			Seq: 2, Stream: "inventory", EventID: allocated.ID, Type: events.InventoryOrderAllocated, Subject: "o1", Version: 3,
			Customer: "ann", Correlation: placed.ID, Causation: placed.ID, Time: allocated.Time, SeenAt: allocated.Time,
		}
		if n != want {
			t.Errorf("recorded %+v\nwant  %+v", n, want)
		}
	})
}
