package catalog

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"quadrille/internal/shop/stockcopy/stocktest"
	"quadrille/pkg/events"
	"quadrille/pkg/fault"
	"quadrille/pkg/outbox/outboxtest"
)

// news returns the events in the outbox as text: type, subject and version.
func news(t outboxtest.T, s *Service) string {
	t.Helper()
	var b strings.Builder
	for _, e := range outboxtest.Events(t, s.store.db) {
		fmt.Fprintf(&b, "%s %s@%d, ", strings.TrimPrefix(e.Type, "catalog.product_"), e.Subject, e.Version)
	}
	return b.String()
}

func checkNews(t *testing.T, s *Service, want string) {
	t.Helper()
	if got := news(t, s); got != want {
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

func TestPutStoresTheProductAndItsEvent(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		woken := 0
		s.wake = func() { woken++ }
		p, created, err := s.Put(t.Context(), "85123a", terms("Holder", 255), always)
		if err != nil || !created || p.SKU != "85123A" || p.Version != 1 || woken != 1 {
			t.Fatalf("put %+v, created %t, %v, woken %d times", p, created, err, woken)
		}
		for range 2 {
			again, created, err := s.Put(t.Context(), "85123A", terms("Holder", 255), always)
			if err != nil || created || again.Version != 1 || woken != 1 {
				t.Errorf("the same again: %+v, created %t, %v, woken %d times", again, created, err, woken)
			}
		}
		changed, created, err := s.Put(t.Context(), "85123A", terms("Holder", 199), always)
		if err != nil || created || changed.Version != 2 || woken != 2 {
			t.Errorf("changed %+v, created %t, %v, woken %d times", changed, created, err, woken)
		}
		checkNews(t, s, "changed 85123A@1, changed 85123A@2, ")
	})
}

// Put returns the stored product in every field: both have the same version, and so the
// same ETag.
func TestPutReturnsTheStoredProduct(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		clock := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
		s.store.now = func() time.Time { return clock }
		for _, price := range []int64{1, 1, 2} {
			clock = clock.Add(time.Hour)
			answered := put(t, s, "A", terms("Crème", price))
			kept, err := s.Product(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			if !kept.UpdatedAt.Equal(answered.UpdatedAt) || !kept.CreatedAt.Equal(answered.CreatedAt) {
				t.Errorf("returned %v and %v, stored %v and %v", answered.CreatedAt, answered.UpdatedAt, kept.CreatedAt, kept.UpdatedAt)
			}
			kept.CreatedAt, kept.UpdatedAt = answered.CreatedAt, answered.UpdatedAt // these may differ in the time zone
			if kept != answered {
				t.Errorf("returned %+v, stored %+v", answered, kept)
			}
		}
	})
}

func TestWithdrawHidesTheProductUntilItIsOfferedAgain(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		put(t, s, "A", terms("A", 1))
		if err := s.Withdraw(t.Context(), "a", always); err != nil {
			t.Fatal(err)
		}
		_, err := s.Product(t.Context(), "A")
		checkCode(t, err, fault.NotFound, "product_unknown")
		for _, code := range []string{"A", "B"} {
			checkCode(t, s.Withdraw(t.Context(), code, always), fault.NotFound, "product_unknown")
		}
		p, created, err := s.Put(t.Context(), "A", terms("A", 1), always)
		if err != nil || !created || p.Version != 3 {
			t.Errorf("offered again: %+v, created %t, %v", p, created, err)
		}
		checkNews(t, s, "changed A@1, withdrawn A@2, changed A@3, ")
	})
}

// A change that match refuses writes and publishes nothing.
func TestRefusedChangeWritesNothing(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		put(t, s, "A", terms("A", 1))
		s.wake = func() { t.Error("the relay was woken without an event") }
		stale := fault.New(fault.Stale, "version_stale", "")
		seen := []int64{}
		refuse := func(version int64) error {
			seen = append(seen, version)
			return stale
		}
		for _, code := range []string{"A", "B"} {
			if _, _, err := s.Put(t.Context(), code, terms("other", 2), refuse); !errors.Is(err, stale) {
				t.Errorf("put %s: %v", code, err)
			}
		}
		if err := s.Withdraw(t.Context(), "A", refuse); !errors.Is(err, stale) {
			t.Errorf("withdraw: %v", err)
		}
		checkCode(t, s.Withdraw(t.Context(), "B", refuse), fault.NotFound, "product_unknown")
		_, _, err := s.Put(t.Context(), "not/one", terms("A", 1), always)
		checkCode(t, err, fault.Invalid, "sku_invalid")
		if fmt.Sprint(seen) != "[1 0 1]" {
			t.Errorf("match got the versions %v", seen)
		}
		p, err := s.Product(t.Context(), "A")
		if err != nil || p.Title != "A" || p.Version != 1 {
			t.Errorf("kept %+v, %v", p, err)
		}
		checkNews(t, s, "changed A@1, ")
	})
}

func TestProductShowsItsStock(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		inventory := stocktest.Inventory{}
		follow(t, s, inventory, inventory.Set("A", 7), inventory.Set("B", 1)) // before there are products
		if p := put(t, s, "A", terms("A", 1)); p.Quantity != 7 || p.Version != 1 {
			t.Errorf("put %+v", p)
		}
		put(t, s, "GONE", terms("gone", 1))
		if err := s.Withdraw(t.Context(), "GONE", always); err != nil {
			t.Fatal(err)
		}
		cause := inventory.Set("A", 5).Stamp(t.Context())
		batch := []events.Event{cause, inventory.Set("B", 2), inventory.Set("GONE", 3), inventory.Set("C", 4)}
		for range 2 {
			follow(t, s, inventory, batch...)
		}
		p, err := s.Product(t.Context(), "A")
		if err != nil || p.Quantity != 5 || p.Version != 2 {
			t.Errorf("shown %+v, %v", p, err)
		}
		checkNews(t, s, "changed A@1, changed GONE@1, withdrawn GONE@2, changed A@2, ")
		published := outboxtest.Events(t, s.store.db)
		if last := published[len(published)-1]; last.CausationID != cause.ID || last.CorrelationID != cause.CorrelationID {
			t.Errorf("the causation ID of %+v is not that of %+v", last, cause)
		}
		if p := put(t, s, "GONE", terms("gone", 1)); p.Quantity != 3 || p.Version != 3 {
			t.Errorf("offered again: %+v", p)
		}
		copies, err := s.Stock(t.Context(), nil, "", 50)
		if err != nil || len(copies) != 4 || copies[0].Quantity != 5 || copies[1].Quantity != 2 {
			t.Errorf("copies %+v, %v", copies, err)
		}
	})
}

// A movement that leaves the available quantity unchanged, such as the shipment of a
// reservation, publishes nothing.
func TestUnchangedQuantityPublishesNothing(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		inventory := stocktest.Inventory{}
		put(t, s, "A", terms("A", 1))
		follow(t, s, inventory, inventory.Set("A", 0))
		follow(t, s, inventory, inventory.Set("A", 2))
		follow(t, s, inventory, inventory.Set("A", 2))
		checkNews(t, s, "changed A@1, changed A@2, ")
	})
}

// Products are offered while their stock changes. No version of a product shows two
// quantities, and the last event has the stored version.
func TestConcurrentOffersAndStockChanges(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		const rounds, products = 10, 6
		inventory := stocktest.Inventory{}
		for round := range rounds {
			var batch []events.Event
			var codes []string
			for i := range products {
				codes = append(codes, fmt.Sprintf("R%d-%d", round, i))
				batch = append(batch, inventory.Set(codes[i], 5))
			}
			answered := make([]Product, products)
			errs := make([]error, products+1)
			var done sync.WaitGroup
			for i, code := range codes {
				done.Go(func() { answered[i], _, errs[i] = s.Put(t.Context(), code, terms(code, 1), always) })
			}
			done.Go(func() {
				errs[products] = stocktest.Deliver(t.Context(), s.store.db, stockCopies(s.store, inventory), batch...)
			})
			done.Wait()
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			for i, code := range codes {
				kept, err := s.Product(t.Context(), code)
				if err != nil || kept.Quantity != 5 || (kept.Version == answered[i].Version) != (kept.Quantity == answered[i].Quantity) {
					t.Errorf("%v: returned %d at version %d, stored %d at version %d", err, answered[i].Quantity, answered[i].Version, kept.Quantity, kept.Version)
				}
			}
		}
		last := map[string]int64{}
		for _, e := range outboxtest.Events(t, s.store.db) {
			if e.Version != last[e.Subject]+1 {
				t.Errorf("%s: event of version %d follows version %d", e.Subject, e.Version, last[e.Subject])
			}
			last[e.Subject] = e.Version
		}
		if len(last) != rounds*products {
			t.Errorf("got events of %d products", len(last))
		}
	})
}

// Concurrent puts of one product are serialized.
func TestConcurrentPutsAreSerialized(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		const callers = 8
		created, errs := make([]bool, callers), make([]error, callers)
		var done sync.WaitGroup
		for i := range callers {
			done.Go(func() { _, created[i], errs[i] = s.Put(t.Context(), "A", terms("A", int64(i)), always) })
		}
		done.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		firsts := 0
		for _, c := range created {
			if c {
				firsts++
			}
		}
		p, err := s.Product(t.Context(), "A")
		if err != nil || firsts != 1 || p.Version != callers || len(outboxtest.Events(t, s.store.db)) != callers {
			t.Errorf("%d puts created it, version %d, %v, events %s", firsts, p.Version, err, news(t, s))
		}
	})
}
