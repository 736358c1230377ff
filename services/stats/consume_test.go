package stats

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"gorm.io/gorm"
	"pgregory.net/rapid"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/events"
)

// emptied returns a service without copies, so that many histories can use one database.
func emptied(t *rapid.T, conn *gorm.DB) *Service {
	if err := conn.Exec("DELETE FROM orders").Error; err != nil {
		t.Fatal(err)
	}
	return serviceOn(conn)
}

// happen changes a random order at sales and returns the event.
func happen(t *rapid.T, sales *fakeSales) events.Event {
	id := fmt.Sprint("o", rapid.IntRange(0, 5).Draw(t, "order"))
	if _, placed := sales.orders[id]; placed {
		return sales.move(id, rapid.SampledFrom([]string{Confirmed, Rejected, Cancelled, Shipped}).Draw(t, "becomes"))
	}
	var lines []ordered
	for _, code := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"A", "B", "C"}), 1, 3, rapid.ID[string]).Draw(t, "skus") {
		lines = append(lines, ordered{code, rapid.Int64Range(1, 5).Draw(t, "units"), rapid.Int64Range(0, 999).Draw(t, "price")})
	}
	return sales.place(id, rapid.SampledFrom([]string{"2010-12-01", "2010-12-02", "2011-01-01"}).Draw(t, "day"),
		rapid.SampledFrom([]string{"EUR", "GBP"}).Draw(t, "currency"), lines...)
}

// history draws the changes at a sales and returns their events in order.
func history(t *rapid.T) (sales *fakeSales, published []events.Event) {
	sales = newSales()
	for range rapid.IntRange(1, 25).Draw(t, "changes") {
		published = append(published, happen(t, sales))
	}
	return sales, published
}

// inAnyWay returns the events in random order and in batches of random size. Each event
// comes at least once, and some come again.
func inAnyWay(t *rapid.T, published []events.Event) (batches [][]events.Event) {
	again := rapid.SliceOfN(rapid.SampledFrom(published), 0, 2*len(published)).Draw(t, "again")
	all := rapid.Permutation(append(slices.Clone(published), again...)).Draw(t, "order")
	for len(all) > 0 {
		n := rapid.IntRange(1, len(all)).Draw(t, "batch")
		batches, all = append(batches, all[:n]), all[n:]
	}
	return batches
}

// Events in any order and with duplicates give the figures of sales' orders.
func TestFiguresConverge(t *testing.T) {
	dbtest.Each(t, Name, migrations, func(t *testing.T, conn *gorm.DB) {
		rapid.Check(t, func(t *rapid.T) {
			s := emptied(t, conn)
			sales, published := history(t)
			for _, batch := range inAnyWay(t, published) {
				follow(t, s, sales, batch...)
			}
			checkFigures(t, s, sales)
		})
	})
}

// Sales changes orders while stats consumes: the fetched order may be newer than its event,
// and may be outdated when it is applied.
func TestFiguresConvergeWhileSalesGoesOn(t *testing.T) {
	conn := dbtest.SQLite(t, Name, migrations)
	rapid.Check(t, func(t *rapid.T) {
		s, sales := emptied(t, conn), newSales()
		published := []events.Event{happen(t, sales)}
		for range rapid.IntRange(1, 15).Draw(t, "steps") {
			batch := rapid.SliceOfN(rapid.SampledFrom(published), 1, len(published)).Draw(t, "batch")
			fetched, err := follower(s, sales).Fetch(t.Context(), batch)
			if err != nil {
				t.Fatal(err)
			}
			published = append(published, happen(t, sales))
			if rapid.Bool().Draw(t, "overtaken") {
				follow(t, s, sales, published[len(published)-1])
			}
			err = conn.Transaction(func(tx *gorm.DB) error { return follower(s, sales).Apply(t.Context(), tx, batch, fetched) })
			if err != nil {
				t.Fatal(err)
			}
		}
		follow(t, s, sales, published...)
		checkFigures(t, s, sales)
	})
}

// Consuming the events of List gives the figures of sales, whichever events were lost, and
// removes the copies of orders that sales no longer has.
func TestListBringsFiguresUpToDate(t *testing.T) {
	conn := dbtest.SQLite(t, Name, migrations)
	rapid.Check(t, func(t *rapid.T) {
		s := emptied(t, conn)
		sales, published := history(t)
		follow(t, s, sales, rapid.SliceOf(rapid.SampledFrom(published)).Draw(t, "came")...)
		for range rapid.IntRange(0, 5).Draw(t, "unheard") {
			happen(t, sales)
		}
		delete(sales.orders, "o0")
		for e, err := range follower(s, sales).List(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			follow(t, s, sales, e)
		}
		checkFigures(t, s, sales)
	})
}

func TestListReturnsTheErrorOfSales(t *testing.T) {
	each(t, func(t *testing.T, s *Service, sales *fakeSales) {
		follow(t, s, sales, sales.place("o1", "2010-12-01", "GBP", ordered{"A", 1, 255}))
		sales.down = errors.New("sales is down")
		for e, err := range follower(s, sales).List(t.Context()) {
			if !errors.Is(err, sales.down) {
				t.Errorf("List returned %+v, %v", e, err) // an error of sales must not remove the copy
			}
		}
		if err := deliver(s, sales, sales.move("o1", Confirmed)); !errors.Is(err, sales.down) {
			t.Errorf("got %v", err)
		}
		if kept := shown(t, s).copies; len(kept) != 1 || kept[0].version != 1 {
			t.Errorf("kept %+v", kept)
		}
	})
}

func TestFetchSkipsCurrentCopies(t *testing.T) {
	each(t, func(t *testing.T, s *Service, sales *fakeSales) {
		one, other := sales.place("o1", "2010-12-01", "GBP", ordered{"A", 1, 255}), sales.place("o2", "2010-12-01", "GBP", ordered{"A", 1, 255})
		last := sales.move("o1", Confirmed)
		batch := []events.Event{one, one, last, other}
		follow(t, s, sales, batch...)
		follow(t, s, sales, other, last)
		if got := fmt.Sprint(sales.calls); got != "[[o1 o2]]" {
			t.Errorf("sales was called for %s", got)
		}
		fetched, err := follower(s, sales).Fetch(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		if err := follower(s, sales).Apply(t.Context(), nil, batch, fetched); err != nil { // a statement would panic
			t.Error(err)
		}
		follow(t, s, sales, sales.move("o2", Rejected), last)
		if got := fmt.Sprint(sales.calls); got != "[[o1 o2] [o2]]" {
			t.Errorf("sales was called for %s", got)
		}
	})
}

// The copy of an order that sales no longer has is removed together with its lines.
func TestRemovesCopiesOfDeletedOrders(t *testing.T) {
	each(t, func(t *testing.T, s *Service, sales *fakeSales) {
		for _, id := range []string{"o1", "o2"} {
			follow(t, s, sales, sales.place(id, "2010-12-01", "GBP", ordered{"A", 2, 255}), sales.move(id, Confirmed))
		}
		last := sales.move("o1", Shipped)
		delete(sales.orders, "o1")
		for range 2 {
			follow(t, s, sales, last)
		}
		checkFigures(t, s, sales)
		var lines []Line
		if err := s.store.db.Find(&lines).Error; err != nil || len(lines) != 1 || lines[0].OrderID != "o2" {
			t.Errorf("got lines %+v (%v)", lines, err)
		}
	})
}

// The day of an order is its day in UTC, whatever the zone of the time in the response.
func TestDaysAreInUTC(t *testing.T) {
	west := time.FixedZone("west", -5*60*60)
	for at, want := range map[time.Time]string{
		time.Date(2010, 12, 1, 18, 59, 59, 0, west):      "2010-12-01",
		time.Date(2010, 12, 1, 19, 0, 0, 0, west):        "2010-12-02",
		time.Date(2010, 12, 31, 23, 59, 59, 0, time.UTC): "2010-12-31",
	} {
		o, err := orderOf(sale{id: "o1", currency: "GBP", placedAt: at}.model())
		if err != nil || o.Day != want || !o.PlacedAt.Equal(at) {
			t.Errorf("%s: got day %s (%v), want %s", at, o.Day, err, want)
		}
	}
}

// A response with an unknown currency or too many decimals is refused, not rounded.
func TestRefusesInvalidMoney(t *testing.T) {
	each(t, func(t *testing.T, s *Service, sales *fakeSales) {
		published := sales.place("o1", "2010-12-01", "pounds", ordered{"A", 1, 255})
		if err := deliver(s, sales, published); err == nil {
			t.Error("an order with an invalid currency was accepted")
		}
		m := sale{id: "o1", currency: "GBP", lines: []ordered{{"A", 1, 255}}}.model()
		m.Lines[0].Price.Amount = "2.555"
		if _, err := orderOf(m); err == nil {
			t.Error("a line with the price 2.555 was accepted")
		}
	})
}
