package sales

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/events"
	"quadrille/pkg/fault"
	"quadrille/pkg/outbox"
	"quadrille/pkg/restclient"
)

// each runs test with a service on each database. Its catalog offers A and B.
func each(t *testing.T, test func(t *testing.T, s *Service, catalog *fakeCatalog)) {
	t.Helper()
	dbtest.Each(t, Name, migrations, func(t *testing.T, conn *gorm.DB) {
		catalog := &fakeCatalog{}
		catalog.offer("A", 255, 1)
		catalog.offer("B", 100, 1)
		test(t, serviceOn(t, conn, catalog), catalog)
	})
}

func one(code string) Draft { return draft(DraftLine{SKU: code, Quantity: 1}) }

func place(t *testing.T, s *Service, d Draft) Order {
	t.Helper()
	o, replayed, err := s.Place(t.Context(), nil, d)
	if err != nil || replayed {
		t.Fatalf("place: %v, replayed %v", err, replayed)
	}
	return o
}

// published returns the events in the outbox, oldest first.
func published(t testing.TB, s *Service) []events.Event {
	t.Helper()
	var bodies []string
	if err := s.store.db.Table(outbox.Table).Order("id").Pluck("body", &bodies).Error; err != nil {
		t.Fatal(err)
	}
	all := make([]events.Event, len(bodies))
	for i, body := range bodies {
		var err error
		if all[i], err = events.Decode([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func count(t *testing.T, s *Service, table string) (n int64) {
	t.Helper()
	if err := s.store.db.Table(table).Count(&n).Error; err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPlaceStoresTheOrderAndItsEvent(t *testing.T) {
	each(t, func(t *testing.T, s *Service, _ *fakeCatalog) {
		var woken atomic.Int64
		s.wake = func() { woken.Add(1) }
		d := draft(DraftLine{SKU: "b", Quantity: 2}, DraftLine{SKU: "A", Quantity: 1})
		d.ExternalID = restclient.Ptr("536365")
		o := place(t, s, d)
		kept, err := s.Order(t.Context(), o.ID)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(kept.Lines) != fmt.Sprint(o.Lines) || len(o.Lines) != 2 || kept.TotalMinor != 455 || !kept.PlacedAt.Equal(o.PlacedAt) || *kept.ExternalID != "536365" {
			t.Errorf("placed %+v, kept %+v", o, kept)
		}
		news := published(t, s)
		if len(news) != 1 || news[0].Type != events.SalesOrderPlaced || news[0].Subject != o.ID || news[0].Version != 1 || woken.Load() != 1 {
			t.Errorf("got events %+v, woken %d times", news, woken.Load())
		}
	})
}

func TestPlaceFetchesAMissingPriceOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Service, catalog *fakeCatalog) {
		place(t, s, one("A"))
		catalog.setDown(true)
		if o := place(t, s, one("a")); o.TotalMinor != 255 || catalog.callCount() != 1 {
			t.Errorf("total is %d after %d calls, want 255 after one", o.TotalMinor, catalog.callCount())
		}
		_, _, err := s.Place(t.Context(), nil, one("B"))
		checkCode(t, err, fault.Unavailable, "catalog_unavailable")
	})
}

func TestRefusesAWithdrawnProductWithoutACall(t *testing.T) {
	each(t, func(t *testing.T, s *Service, catalog *fakeCatalog) {
		err := s.store.KeepPrices(t.Context(), []Price{{SKU: "A", PriceMinor: 255, Currency: "GBP", Version: 9, Withdrawn: true}})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = s.Place(t.Context(), nil, one("A"))
		checkCode(t, err, fault.Invalid, "sku_unknown")
		if catalog.callCount() != 0 || count(t, s, "orders") != 0 {
			t.Errorf("%d calls, %d orders", catalog.callCount(), count(t, s, "orders"))
		}
	})
}

func TestRepeatedRequestReplaysTheResponse(t *testing.T) {
	each(t, func(t *testing.T, s *Service, catalog *fakeCatalog) {
		d := one("A")
		d.ExternalID = restclient.Ptr("536365")
		key := "k1"
		first, _, err := s.Place(t.Context(), &key, d)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Cancel(t.Context(), first.ID, always); err != nil {
			t.Fatal(err)
		}
		catalog.setDown(true)
		withdraw(t, s, "A")
		for name, k := range map[string]*string{"both": &key, "external ID": nil, "another key": restclient.Ptr("k2")} {
			again, replayed, err := s.Place(t.Context(), k, d)
			if err != nil || !replayed || again.Status != Placed || again.ID != first.ID {
				t.Errorf("%s: got %+v, replayed %v (%v)", name, again, replayed, err)
			}
		}
		if n := count(t, s, "orders"); n != 1 {
			t.Errorf("got %d orders", n)
		}
	})
}

func withdraw(t *testing.T, s *Service, code string) {
	t.Helper()
	if err := s.store.KeepPrices(t.Context(), []Price{{SKU: code, Version: 1000, Withdrawn: true}}); err != nil {
		t.Fatal(err)
	}
}

func always(int64) error { return nil }

func TestRefusesAReusedKey(t *testing.T) {
	each(t, func(t *testing.T, s *Service, _ *fakeCatalog) {
		d := one("A")
		d.ExternalID = restclient.Ptr("536365")
		key := "k1"
		if _, _, err := s.Place(t.Context(), &key, d); err != nil {
			t.Fatal(err)
		}
		other := one("B")
		_, _, err := s.Place(t.Context(), &key, other)
		checkCode(t, err, fault.Invalid, "idempotency_key_reused")
		other.ExternalID = d.ExternalID
		_, _, err = s.Place(t.Context(), nil, other)
		checkCode(t, err, fault.Invalid, "idempotency_key_reused")
		if n := count(t, s, "orders"); n != 1 {
			t.Errorf("got %d orders", n)
		}
	})
}

func TestKeyStaysFreeAfterARefusedRequest(t *testing.T) {
	each(t, func(t *testing.T, s *Service, _ *fakeCatalog) {
		key := "k1"
		_, _, err := s.Place(t.Context(), &key, one("NONE"))
		checkCode(t, err, fault.Invalid, "sku_unknown")
		if _, replayed, err := s.Place(t.Context(), &key, one("A")); err != nil || replayed {
			t.Errorf("corrected request: %v, replayed %v", err, replayed)
		}
	})
}

// The unique external ID of the order protects it even without its stored response.
// Stored responses are deleted after a time. The external ID stays taken, and the same request
// still gets the order as it was placed, whatever happened to it.
func TestExternalIDStaysTakenWhenTheStoredResponseIsDeleted(t *testing.T) {
	each(t, func(t *testing.T, s *Service, catalog *fakeCatalog) {
		d := one("A")
		d.ExternalID = restclient.Ptr("536365")
		first := place(t, s, d)
		rejected := map[string]Allocation{first.ID: {OrderID: first.ID, Status: "rejected", Short: map[string]int64{"A": 1}}}
		if err := s.store.settle(t.Context(), s.store.db, rejected, nil); err != nil {
			t.Fatal(err)
		}
		if err := s.store.db.Exec("DELETE FROM idempotency_keys").Error; err != nil {
			t.Fatal(err)
		}
		replays := func(when string, key *string) {
			again, replayed, err := s.Place(t.Context(), key, d)
			if err != nil || !replayed || !reflect.DeepEqual(inUTC(again), inUTC(first)) {
				t.Errorf("%s: replayed %t\n%+v, want\n%+v (%v)", when, replayed, again, first, err)
			}
		}
		replays("without a key", nil)
		replays("with a key", restclient.Ptr("k1"))
		other := one("A")
		other.ExternalID, other.Customer = d.ExternalID, "somebody-else"
		_, _, err := s.Place(t.Context(), restclient.Ptr("k1"), other)
		checkCode(t, err, fault.Invalid, "idempotency_key_reused")
		catalog.setDown(true)
		withdraw(t, s, "A")
		replays("when the product is withdrawn", nil)
		if orders, keys := count(t, s, "orders"), count(t, s, "idempotency_keys"); orders != 1 || keys != 0 {
			t.Errorf("%d orders, %d keys", orders, keys)
		}
	})
}

// inUTC returns an order with its times in UTC, as both databases read them.
func inUTC(o Order) Order {
	o.PlacedAt, o.UpdatedAt = o.PlacedAt.UTC(), o.UpdatedAt.UTC()
	return o
}

// Two services on one database stand for two processes that share it.
func TestConcurrentRequestsWithOneKeyPlaceOneOrder(t *testing.T) {
	each(t, func(t *testing.T, s *Service, catalog *fakeCatalog) {
		services := []*Service{s, serviceOn(t, s.store.db, catalog)}
		key := "k1"
		ids := sync.Map{}
		var placed, inFlight atomic.Int64
		var wait sync.WaitGroup
		for i := range 40 {
			wait.Go(func() {
				o, replayed, err := services[i%2].Place(t.Context(), &key, one("A"))
				var f *fault.Fault
				switch {
				case err == nil:
					ids.Store(o.ID, true)
					if !replayed {
						placed.Add(1)
					}
				case errors.As(err, &f) && f.Code == "request_in_flight":
					inFlight.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if n := count(t, s, "orders"); n != 1 || placed.Load() != 1 {
			t.Errorf("%d orders, %d placed", n, placed.Load())
		}
		distinct := 0
		ids.Range(func(any, any) bool { distinct++; return true })
		if distinct != 1 {
			t.Errorf("the responses name %d different orders", distinct)
		}
		if len(published(t, s)) != 1 {
			t.Errorf("got %d events", len(published(t, s)))
		}
	})
}

func TestRefusesAKeyInFlightInAnotherProcess(t *testing.T) {
	t.Parallel()
	catalog := &fakeCatalog{}
	catalog.offer("A", 255, 1)
	s := serviceOn(t, dbtest.Postgres(t, Name, migrations), catalog)
	key := "k1"
	err := s.store.db.Transaction(func(tx *gorm.DB) error {
		held := tx.Exec("SELECT pg_advisory_xact_lock(hashtextextended(current_schema()::text || ?, 0))", "/"+scopeHeader+"/"+key)
		if held.Error != nil {
			return held.Error
		}
		_, _, err := s.Place(t.Context(), &key, one("A"))
		checkCode(t, err, fault.Conflict, "request_in_flight")
		if n := count(t, s, "orders"); n != 0 {
			t.Errorf("got %d orders", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, replayed, err := s.Place(t.Context(), &key, one("A")); err != nil || replayed {
		t.Errorf("later: %v, replayed %v", err, replayed)
	}
}

func TestCancelAndShip(t *testing.T) {
	each(t, func(t *testing.T, s *Service, _ *fakeCatalog) {
		o := place(t, s, one("A"))
		_, err := s.Ship(t.Context(), o.ID, always)
		checkCode(t, err, fault.Conflict, "order_not_confirmed")
		stale := fault.New(fault.Stale, "version_stale", "")
		_, err = s.Cancel(t.Context(), o.ID, func(int64) error { return stale })
		checkCode(t, err, fault.Stale, "version_stale")
		for range 2 {
			if o, err = s.Cancel(t.Context(), o.ID, always); err != nil || o.Status != Cancelled || o.Version != 2 || len(o.Lines) != 1 {
				t.Errorf("got %+v (%v)", o, err)
			}
		}
		kept, err := s.Order(t.Context(), o.ID)
		if err != nil || kept.Status != Cancelled || kept.Version != 2 {
			t.Errorf("kept %+v (%v)", kept, err)
		}
		if news := published(t, s); len(news) != 2 || news[1].Type != events.SalesOrderCancelled || news[1].Version != 2 {
			t.Errorf("got events %+v", news)
		}
		_, err = s.Cancel(t.Context(), "none", always)
		checkCode(t, err, fault.NotFound, "order_unknown")
	})
}

// Concurrent cancellations and allocations give one valid sequence of statuses, with one
// event for each.
func TestCancelRacesTheAllocation(t *testing.T) {
	each(t, func(t *testing.T, s *Service, _ *fakeCatalog) {
		for range 20 {
			o := place(t, s, one("A"))
			var wait sync.WaitGroup
			steps := []func() error{
				func() error { _, err := s.Cancel(t.Context(), o.ID, always); return err },
				func() error { _, err := s.Cancel(t.Context(), o.ID, always); return err },
				func() error { return settle(t, s, Allocation{OrderID: o.ID, Status: "allocated"}) },
			}
			rand.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
			for _, step := range steps {
				wait.Go(func() {
					if err := step(); err != nil {
						t.Error(err)
					}
				})
			}
			wait.Wait()
			checkEvents(t, s, o.ID)
		}
	})
}

func settle(t *testing.T, s *Service, a Allocation) error {
	t.Helper()
	return s.store.db.Transaction(func(tx *gorm.DB) error {
		return s.store.settle(t.Context(), tx, map[string]Allocation{a.OrderID: a}, nil)
	})
}

// checkEvents fails unless the outbox has an event for each version of an order, in order,
// and the last one has the order's status.
func checkEvents(t testing.TB, s *Service, id string) {
	t.Helper()
	o := order(t, s, id)
	version, last := int64(0), ""
	for _, e := range published(t, s) {
		if e.Subject == id {
			version++
			last = e.Type
			if e.Version != version {
				t.Errorf("event %d has version %d", version, e.Version)
			}
		}
	}
	if version != o.Version || last != o.News().Type {
		t.Errorf("the order is %s at version %d, the last event is %s at version %d", o.Status, o.Version, last, version)
	}
}
