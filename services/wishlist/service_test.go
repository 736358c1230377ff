package wishlist

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"quadrille/internal/shop/stockcopy/stocktest"
	"quadrille/pkg/events"
	"quadrille/pkg/fault"
	"quadrille/pkg/outbox/outboxtest"
)

// checkNews compares the published events, each as type, subject and version.
func checkNews(t *testing.T, s *Service, want string) {
	t.Helper()
	var b strings.Builder
	for _, e := range outboxtest.Events(t, s.store.db) {
		fmt.Fprintf(&b, "%s %s@%d, ", strings.TrimPrefix(e.Type, "wishlist.item_"), e.Subject, e.Version)
	}
	if got := b.String(); got != want {
		t.Errorf("got events %q, want %q", got, want)
	}
}

func checkCode(t *testing.T, err error, kind fault.Kind, code string) {
	t.Helper()
	var f *fault.Fault
	if !errors.As(err, &f) || f.Kind != kind || f.Code != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

func item(t *testing.T, s *Service, customer, code string) Item {
	t.Helper()
	i, err := s.Item(t.Context(), customer, code)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestWishStoresTheItemAndItsEvent(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		woken := 0
		s.wake = func() { woken++ }
		i, created, err := s.Wish(t.Context(), "Ann@example.org", "ab-1")
		if err != nil || !created || i.SKU != "AB-1" || i.Version != 1 || i.Available || i.NotifiedAt != nil || woken != 1 {
			t.Fatalf("wished %+v, created %t, %v, woken %d times", i, created, err, woken)
		}
		again, created, err := s.Wish(t.Context(), "Ann@example.org", "AB-1")
		if err != nil || created || again.Version != 1 || !again.WishedAt.Equal(i.WishedAt) || woken != 1 {
			t.Errorf("again %+v, created %t, %v, woken %d times", again, created, err, woken)
		}
		if kept := item(t, s, "Ann@example.org", "Ab-1"); !kept.WishedAt.Equal(i.WishedAt) || kept.Version != 1 || kept.Customer != "Ann@example.org" {
			t.Errorf("stored %+v, returned %+v", kept, i)
		}
		_, err = s.Item(t.Context(), "ann@example.org", "AB-1") // another customer
		checkCode(t, err, fault.NotFound, "wish_unknown")
		_, _, err = s.Wish(t.Context(), "ann", "not/one")
		checkCode(t, err, fault.Invalid, "sku_invalid")
		checkNews(t, s, "wished Ann@example.org/AB-1@1, ")
	})
}

func TestRemoveAndWishAgain(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		checkCode(t, s.Remove(t.Context(), "ann", "A"), fault.NotFound, "wish_unknown")
		inventory := stocktest.Inventory{}
		wish(t, s, "ann", "A")
		if err := s.Remove(t.Context(), "ann", "a"); err != nil {
			t.Fatal(err)
		}
		checkCode(t, s.Remove(t.Context(), "ann", "A"), fault.NotFound, "wish_unknown")
		_, err := s.Item(t.Context(), "ann", "A")
		checkCode(t, err, fault.NotFound, "wish_unknown")
		follow(t, s, inventory, inventory.Set("A", 1)) // the wish is removed
		if i := wish(t, s, "ann", "A"); i.Version != 3 || !i.Available || i.NotifiedAt != nil {
			t.Errorf("wished again: %+v", i)
		}
		checkNews(t, s, "wished ann/A@1, wished ann/A@3, ")
	})
}

func TestNotifiesOncePerChangeToAvailable(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		inventory := stocktest.Inventory{}
		wish(t, s, "ann", "A")
		wish(t, s, "ann", "B")
		var cause events.Event
		for _, quantity := range []int64{0, 5, 3, 8, 0, 2} {
			cause = inventory.Set("A", quantity).Stamp(t.Context())
			for range 2 {
				follow(t, s, inventory, cause)
			}
		}
		i := item(t, s, "ann", "A")
		if !i.Available || i.NotifiedAt == nil || i.Version != 4 {
			t.Errorf("kept %+v", i)
		}
		if other := item(t, s, "ann", "B"); other.Available || other.NotifiedAt != nil || other.Version != 1 {
			t.Errorf("kept %+v", other)
		}
		checkNews(t, s, "wished ann/A@1, wished ann/B@1, available ann/A@2, available ann/A@4, ")
		published := outboxtest.Events(t, s.store.db)
		if last := published[len(published)-1]; last.CausationID != cause.ID || last.CorrelationID != cause.CorrelationID {
			t.Errorf("the causation ID of %+v is not that of %+v", last, cause)
		}
	})
}

// A wish for an available SKU is not notified until the SKU was unavailable in between.
func TestNotifiesOnlyWhenAvailabilityReturns(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		inventory := stocktest.Inventory{}
		follow(t, s, inventory, inventory.Set("A", 1))
		if i := wish(t, s, "ann", "A"); !i.Available || i.NotifiedAt != nil {
			t.Errorf("wished %+v", i)
		}
		follow(t, s, inventory, inventory.Set("A", 2))
		checkNews(t, s, "wished ann/A@1, ")
		follow(t, s, inventory, inventory.Set("A", 0))
		if i := item(t, s, "ann", "A"); i.Available || i.NotifiedAt != nil || i.Version != 2 {
			t.Errorf("unavailable: %+v", i)
		}
		follow(t, s, inventory, inventory.Set("A", 1))
		checkNews(t, s, "wished ann/A@1, available ann/A@3, ")
	})
}

func TestNotifiesEveryWaitingCustomer(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		const customers = 1200 // more than one outbox statement holds
		rows := make([]Item, customers)
		for i := range rows {
			rows[i] = Item{Customer: fmt.Sprintf("c%04d", i), SKU: "A", WishedAt: s.store.now(), Removed: i == 0, Version: 1}
		}
		if err := s.store.db.CreateInBatches(rows, 500).Error; err != nil {
			t.Fatal(err)
		}
		inventory := stocktest.Inventory{}
		follow(t, s, inventory, inventory.Set("A", 1))
		published := map[string]bool{}
		for _, e := range outboxtest.Events(t, s.store.db) {
			if e.Type != events.WishlistItemAvailable || e.Version != 2 || published[e.Subject] {
				t.Errorf("got event %+v", e)
			}
			published[e.Subject] = true
		}
		if len(published) != customers-1 || published["c0000/A"] {
			t.Errorf("%d customers were notified; the removed wish: %t", len(published), published["c0000/A"])
		}
	})
}

// Wishes are added while their SKU becomes available. Each is either notified or was
// returned as available, never both.
func TestConcurrentWishesAndStockChanges(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		const rounds, customers = 25, 6
		inventory := stocktest.Inventory{}
		notifications := 0
		for round := range rounds {
			code := fmt.Sprint("R", round)
			if round%2 == 0 { // every other SKU has no copy yet
				follow(t, s, inventory, inventory.Set(code, 0))
			}
			cause := inventory.Set(code, 1)
			answered, errs := make([]Item, customers), make([]error, customers+1)
			var done sync.WaitGroup
			for i := range customers {
				done.Go(func() { answered[i], _, errs[i] = s.Wish(t.Context(), fmt.Sprint("c", i), code) })
			}
			done.Go(func() {
				errs[customers] = stocktest.Deliver(t.Context(), s.store.db, stockCopies(s.store, inventory), cause)
			})
			done.Wait()
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			for _, a := range answered {
				kept := item(t, s, a.Customer, code)
				if !kept.Available || a.Available == (kept.NotifiedAt != nil) {
					t.Errorf("%s of %s was returned with available %t, notified at %v", code, a.Customer, a.Available, kept.NotifiedAt)
				}
				if kept.NotifiedAt != nil {
					notifications++
				}
			}
		}
		published := len(outboxtest.Events(t, s.store.db)) - rounds*customers
		if published != notifications {
			t.Errorf("%d wishes were notified, with %d events", notifications, published)
		}
	})
}
