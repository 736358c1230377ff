package sales

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"gorm.io/gorm"
	"pgregory.net/rapid"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/consumer"
	"quadrille/pkg/events"
	"quadrille/pkg/restclient"
	catalogclient "quadrille/services/catalog/client"
	inventoryclient "quadrille/services/inventory/client"
)

// deliver calls a handler with a batch, as a consumer does.
func deliver[F any](ctx context.Context, conn *gorm.DB, h consumer.Handler[F], batch []events.Event) error {
	fetched, err := h.Fetch(ctx, batch)
	if err != nil {
		return err
	}
	return conn.Transaction(func(tx *gorm.DB) error { return h.Apply(ctx, tx, batch, fetched) })
}

// inAnyWay returns the history in random order and in batches of random size. Each event
// comes at least once, and some come again.
func inAnyWay(t *rapid.T, history []events.Event) (batches [][]events.Event) {
	again := rapid.SliceOfN(rapid.SampledFrom(history), 0, 2*len(history)).Draw(t, "again")
	all := rapid.Permutation(append(slices.Clone(history), again...)).Draw(t, "order")
	for len(all) > 0 {
		n := rapid.IntRange(1, len(all)).Draw(t, "batch")
		batches, all = append(batches, all[:n]), all[n:]
	}
	return batches
}

// wipe empties the tables, so that many histories can use one database.
func wipe(t *rapid.T, conn *gorm.DB) {
	for _, table := range []string{"order_lines", "orders", "prices", "outbox", "idempotency_keys", "timers"} {
		if err := conn.Exec("DELETE FROM " + table).Error; err != nil {
			t.Fatal(err)
		}
	}
}

func noError(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// product is the history of a product. before holds the copy that an order made sales fetch
// before the first event, if any.
type product struct {
	history []events.Event
	before  []Price // at most one
}

// end returns the event of the final state.
func (p product) end() events.Event { return p.history[len(p.history)-1] }

// productHistory draws the history of a product. Catalog always answers with the final
// state, whatever the position of the consumer.
func productHistory(t *rapid.T, code string, catalog *fakeCatalog) (p product) {
	versions := rapid.IntRange(1, 5).Draw(t, "versions of "+code)
	for v := int64(1); v <= int64(versions); v++ {
		delete(catalog.offers, code)
		if rapid.Bool().Draw(t, "withdrawn") {
			p.history = append(p.history, events.ProductWithdrawn(code, v))
			continue
		}
		catalog.offer(code, v*100, v)
		p.history = append(p.history, events.ProductChanged(code, v))
		if rapid.IntRange(0, 3).Draw(t, "fetched for an order") == 0 {
			p.before = []Price{{SKU: code, Title: "Title of " + code, PriceMinor: v * 100, Currency: "GBP", Version: v}}
		}
	}
	return p
}

func TestPricesConverge(t *testing.T) {
	conn := dbtest.SQLite(t, Name, migrations)
	rapid.Check(t, func(rt *rapid.T) {
		catalog := &fakeCatalog{offers: map[string]catalogclient.Product{}}
		s := serviceOn(t, conn, catalog)
		var all []product
		var history []events.Event
		for _, code := range []string{"A", "B", "C"} {
			p := productHistory(rt, code, catalog)
			all, history = append(all, p), append(history, p.history...)
		}
		follow := func(batches [][]events.Event) string {
			wipe(rt, conn)
			for _, p := range all {
				noError(rt, s.store.KeepPrices(rt.Context(), p.before))
			}
			for _, batch := range batches {
				noError(rt, deliver(rt.Context(), conn, priceCopies(s.store, catalog), batch))
			}
			return prices(rt, s)
		}
		want := follow([][]events.Event{history})
		if got := follow(inAnyWay(rt, history)); got != want {
			rt.Fatalf("got\n%swant\n%s", got, want)
		}
		checkCopies(rt, s, all, catalog)
		resynchronised(rt, s, catalog)
		for _, p := range all {
			if got := s.store.mustPrice(rt, p.end().Subject); got.Withdrawn == (p.end().Type == events.CatalogProductChanged) {
				rt.Fatalf("after the resync, the copy is %+v; the last event is %+v", got, p.end())
			}
		}
	})
}

// resynchronised delivers only the events of List: every other event is lost, and each copy
// is at the first version or absent.
func resynchronised(t *rapid.T, s *Service, catalog *fakeCatalog) {
	wipe(t, s.store.db)
	for _, code := range []string{"A", "B", "C"} {
		if rapid.Bool().Draw(t, "copied") {
			noError(t, s.store.KeepPrices(t.Context(), []Price{{SKU: code, Title: "old", PriceMinor: 1, Currency: "GBP", Version: 1}}))
		}
	}
	follow := priceCopies(s.store, catalog)
	for e, err := range follow.List(t.Context()) {
		noError(t, err)
		noError(t, deliver(t.Context(), s.store.db, follow, []events.Event{e}))
	}
}

// mustPrice returns a copy, or a withdrawn one if it is absent.
func (s *store) mustPrice(t *rapid.T, code string) Price {
	kept, err := s.Prices(t.Context(), []string{code})
	noError(t, err)
	p, found := kept[code]
	p.Withdrawn = p.Withdrawn || !found
	return p
}

// checkCopies fails unless every copy has the final state of its product.
func checkCopies(t *rapid.T, s *Service, all []product, catalog *fakeCatalog) {
	t.Helper()
	for _, p := range all {
		end := p.end()
		kept, err := s.store.Prices(t.Context(), []string{end.Subject})
		noError(t, err)
		withdrawn := end.Type == events.CatalogProductWithdrawn
		got := kept[end.Subject]
		if got.Version != end.Version || got.Withdrawn != withdrawn || !withdrawn && got.PriceMinor != end.Version*100 {
			t.Fatalf("the copy is %+v, catalog has %+v, the last event is %+v", got, catalog.offers[end.Subject], end)
		}
	}
}

func prices(t *rapid.T, s *Service) (state string) {
	rows, err := s.Prices(t.Context(), nil, "", 500)
	noError(t, err)
	for _, p := range rows {
		state += fmt.Sprintf("%s %q %d %s at %d, withdrawn %v\n", p.SKU, p.Title, p.PriceMinor, p.Currency, p.Version, p.Withdrawn)
	}
	return state
}

// orderHistory draws inventory's events for the order o, and stores the final allocation in
// inventory.
func orderHistory(t *rapid.T, inventory *fakeInventory, o Order) (history []events.Event) {
	status := rapid.SampledFrom([]string{"allocated", "rejected", "released", "shipped"}).Draw(t, "status")
	first := events.OrderAllocated(o.ID, 1)
	a := inventoryclient.Allocation{Order: o.ID, Version: 1, Status: inventoryclient.AllocationStatus(status)}
	for _, l := range o.Lines {
		a.Lines = append(a.Lines, inventoryclient.AllocationLine{Sku: l.SKU, Quantity: l.Quantity})
	}
	if status == "rejected" {
		first = events.OrderShort(o.ID, 1)
		a.Lines[0].Short = restclient.Ptr(rapid.Int64Range(1, a.Lines[0].Quantity).Draw(t, "short"))
	}
	inventory.allocations[o.ID] = a
	return []events.Event{first}
}

func TestOrdersConverge(t *testing.T) {
	conn := dbtest.SQLite(t, Name, migrations)
	catalog := &fakeCatalog{}
	catalog.offer("A", 255, 1)
	catalog.offer("B", 100, 1)
	rapid.Check(t, func(rt *rapid.T) {
		s := serviceOn(t, conn, catalog)
		inventory := &fakeInventory{allocations: map[string]inventoryclient.Allocation{}}
		wipe(rt, conn)
		var history []events.Event
		for n := range rapid.IntRange(1, 5).Draw(rt, "orders") {
			o, _, err := s.Place(rt.Context(), nil, draft(DraftLine{SKU: "A", Quantity: int64(n + 1)}, DraftLine{SKU: "B", Quantity: 2}))
			noError(rt, err)
			if rapid.IntRange(0, 3).Draw(rt, "cancelled") == 0 {
				_, err := s.Cancel(rt.Context(), o.ID, always)
				noError(rt, err)
			}
			history = append(history, orderHistory(rt, inventory, o)...)
		}
		history = append(history, strangers(inventory)...)
		start := snapshot(rt, conn)
		follow := func(batches [][]events.Event) string {
			restore(rt, conn, start)
			for _, batch := range batches {
				noError(rt, deliver(rt.Context(), conn, &allocationFollower{store: s.store, inventory: inventory}, batch))
			}
			return orders(rt, s) + news(rt, conn)
		}
		want := follow([][]events.Event{history})
		if got := follow(inAnyWay(rt, history)); got != want {
			rt.Fatalf("got\n%swant\n%s", got, want)
		}
		checkSettled(rt, s, inventory)
	})
}

// strangers returns events of an order that sales does not have.
func strangers(inventory *fakeInventory) []events.Event {
	inventory.allocations["elsewhere"] = inventoryclient.Allocation{Order: "elsewhere", Version: 1, Status: "allocated"}
	return []events.Event{events.OrderAllocated("elsewhere", 1)}
}

// checkSettled fails unless every order follows inventory's final allocation.
func checkSettled(t *rapid.T, s *Service, inventory *fakeInventory) {
	t.Helper()
	rows, err := s.Orders(t.Context(), Query{}, "", 500)
	noError(t, err)
	become := map[string]string{"allocated": Confirmed, "shipped": Confirmed, "rejected": Rejected, "released": Placed}
	for _, o := range rows {
		a := inventory.allocations[o.ID]
		if want := become[string(a.Status)]; o.Status != Cancelled && o.Status != want {
			t.Fatalf("the order is %s, the allocation %s", o.Status, a.Status)
		}
		if short := a.Lines[0].Short; o.Status == Rejected && o.Lines[0].Short != *short {
			t.Fatalf("got short %d, the allocation has %d", o.Lines[0].Short, *short)
		}
	}
}

func orders(t *rapid.T, s *Service) (state string) {
	rows, err := s.Orders(t.Context(), Query{}, "", 500)
	noError(t, err)
	for _, o := range rows {
		state += fmt.Sprintf("%s %s at %d, lines %v\n", o.ID, o.Status, o.Version, o.Lines)
	}
	return state
}

// news returns the events in the outbox as text, sorted.
func news(t *rapid.T, conn *gorm.DB) string {
	var published []string
	noError(t, conn.Table("outbox").Pluck("type || ' ' || subject", &published).Error)
	slices.Sort(published)
	return fmt.Sprintln(published)
}

// state holds the rows before any event is consumed.
type state struct {
	orders []Order
	lines  []Line
}

func snapshot(t *rapid.T, conn *gorm.DB) (s state) {
	noError(t, conn.Find(&s.orders).Error)
	noError(t, conn.Find(&s.lines).Error)
	return s
}

func restore(t *rapid.T, conn *gorm.DB, s state) {
	wipe(t, conn)
	noError(t, conn.Omit("Lines").Create(&s.orders).Error)
	noError(t, conn.Create(&s.lines).Error)
}

func TestFetchSkipsSettledOrdersAndCurrentCopies(t *testing.T) {
	each(t, func(t *testing.T, s *Service, catalog *fakeCatalog) {
		o := place(t, s, one("A"))
		inventory := &fakeInventory{allocations: map[string]inventoryclient.Allocation{o.ID: {Order: o.ID, Status: "allocated", Version: 1}}}
		follower := &allocationFollower{store: s.store, inventory: inventory}
		for range 2 {
			if err := deliver(t.Context(), s.store.db, follower, []events.Event{events.OrderAllocated(o.ID, 1)}); err != nil {
				t.Fatal(err)
			}
		}
		if got := fmt.Sprint(inventory.calls); got != fmt.Sprint([][]string{{o.ID}}) {
			t.Errorf("inventory was called for %v", got)
		}
		before := catalog.callCount()
		follow := priceCopies(s.store, catalog)
		if err := deliver(t.Context(), s.store.db, follow, []events.Event{events.ProductChanged("A", 1)}); err != nil {
			t.Fatal(err)
		}
		if catalog.callCount() != before {
			t.Error("catalog was called for a copy that is current")
		}
	})
}

// After events were lost, a resync asks inventory for the waiting orders only.
func TestListReturnsOrdersThatWaitForInventory(t *testing.T) {
	each(t, func(t *testing.T, s *Service, _ *fakeCatalog) {
		waits, done, unheard := place(t, s, one("A")), place(t, s, one("A")), place(t, s, one("A"))
		inventory := &fakeInventory{allocations: map[string]inventoryclient.Allocation{
			waits.ID: {Order: waits.ID, Status: "allocated", Version: 1}, done.ID: {Order: done.ID, Status: "allocated", Version: 1},
		}}
		follower := &allocationFollower{store: s.store, inventory: inventory}
		if err := deliver(t.Context(), s.store.db, follower, []events.Event{events.OrderAllocated(done.ID, 1)}); err != nil {
			t.Fatal(err)
		}
		var listed []events.Event
		for e, err := range follower.List(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			listed = append(listed, e)
		}
		if err := deliver(t.Context(), s.store.db, follower, listed); err != nil {
			t.Fatal(err)
		}
		for id, want := range map[string]string{waits.ID: Confirmed, done.ID: Confirmed, unheard.ID: Placed} {
			if o, err := s.store.Order(t.Context(), id); err != nil || o.Status != want {
				t.Errorf("the order is %s, %v; want %s", o.Status, err, want)
			}
		}
		if len(listed) != 2 {
			t.Errorf("List returned %d orders, want the two that wait", len(listed))
		}
	})
}

func TestBatchFailsWhenCatalogIsUnavailable(t *testing.T) {
	each(t, func(t *testing.T, s *Service, catalog *fakeCatalog) {
		catalog.setDown(true)
		follow := priceCopies(s.store, catalog)
		if err := deliver(t.Context(), s.store.db, follow, []events.Event{events.ProductWithdrawn("A", 2)}); err == nil {
			t.Error("the batch succeeded although catalog is unavailable")
		}
		if n := count(t, s, "prices"); n != 0 {
			t.Errorf("got %d copies", n)
		}
	})
}
