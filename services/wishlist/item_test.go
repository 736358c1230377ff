package wishlist

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"quadrille/pkg/fault"
)

func TestWishAndRemove(t *testing.T) {
	then, now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2026, 1, 3, 3, 4, 5, 0, time.UTC)
	i := Item{Customer: "Ann", SKU: "A"}
	if err := i.Remove(); !fault.Is(err, fault.NotFound) || i.Version != 0 {
		t.Errorf("removed before it was wished: %v, %+v", err, i)
	}
	if !i.Wish(then) || !i.Exists() || i.Version != 1 || !i.WishedAt.Equal(then) {
		t.Errorf("wished: %+v", i)
	}
	i.NotifiedAt = &now
	if i.Wish(now) || i.Version != 1 || !i.WishedAt.Equal(then) || i.NotifiedAt == nil {
		t.Errorf("wished twice: %+v", i)
	}
	if err := i.Remove(); err != nil || i.Exists() || i.Version != 2 {
		t.Errorf("removed: %v, %+v", err, i)
	}
	if err := i.Remove(); !fault.Is(err, fault.NotFound) || i.Version != 2 {
		t.Errorf("removed twice: %v, %+v", err, i)
	}
	if !i.Wish(now) || i.Version != 3 || !i.WishedAt.Equal(now) || i.NotifiedAt != nil {
		t.Errorf("wished again: %+v", i)
	}
}

// Any sequence of operations raises the version by one with each change, and only then.
func TestVersionRisesByOneWithEachChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i, now := Item{Customer: "ann", SKU: "A"}, time.Now()
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			before := i
			var changed bool
			if rapid.Bool().Draw(t, "remove") {
				changed = i.Remove() == nil
			} else {
				changed = i.Wish(now)
			}
			if changed && i.Version != before.Version+1 || !changed && i != before {
				t.Fatalf("changed %t: %+v was %+v", changed, i, before)
			}
		}
	})
}
