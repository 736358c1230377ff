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

// emptied returns a service without copies, so that one database serves many histories.
func emptied(t *rapid.T, conn *gorm.DB) *Service {
	if err := conn.Exec("DELETE FROM orders").Error; err != nil {
		t.Fatal(err)
	}
	return serviceOn(conn)
}

// happen does one thing at sales, and returns the event that tells of it.
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
func history(t *rapid.T) (sales *fakeSales, told []events.Event) {
	sales = newSales()
	for range rapid.IntRange(1, 25).Draw(t, "changes") {
		told = append(told, happen(t, sales))
	}
	return sales, told
}

// inAnyWay returns the events in any order, with any of them again, in batches of any
// size. Each comes at least once.
func inAnyWay(t *rapid.T, told []events.Event) (batches [][]events.Event) {
	again := rapid.SliceOfN(rapid.SampledFrom(told), 0, 2*len(told)).Draw(t, "again")
	all := rapid.Permutation(append(slices.Clone(told), again...)).Draw(t, "order")
	for len(all) > 0 {
		n := rapid.IntRange(1, len(all)).Draw(t, "batch")
		batches, all = append(batches, all[:n]), all[n:]
	}
	return batches
}

// However the events come, the figures are those of what sales has.
func TestFiguresConverge(t *testing.T) {
	dbtest.Each(t, Name, migrations, func(t *testing.T, conn *gorm.DB) {
		rapid.Check(t, func(t *rapid.T) {
			s := emptied(t, conn)
			sales, told := history(t)
			for _, batch := range inAnyWay(t, told) {
				follow(t, s, sales, batch...)
			}
			checkFigures(t, s, sales)
		})
	})
}

// Sales goes on while stats reads: an event may find its order further on than it
// tells, and what was fetched may be old when it is applied.
func TestFiguresConvergeWhileSalesGoesOn(t *testing.T) {
	conn := dbtest.SQLite(t, Name, migrations)
	rapid.Check(t, func(t *rapid.T) {
		s, sales := emptied(t, conn), newSales()
		told := []events.Event{happen(t, sales)}
		for range rapid.IntRange(1, 15).Draw(t, "steps") {
			batch := rapid.SliceOfN(rapid.SampledFrom(told), 1, len(told)).Draw(t, "batch")
			fetched, err := follower(s, sales).Fetch(t.Context(), batch)
			if err != nil {
				t.Fatal(err)
			}
			told = append(told, happen(t, sales))
			if rapid.Bool().Draw(t, "overtaken") {
				follow(t, s, sales, told[len(told)-1])
			}
			err = conn.Transaction(func(tx *gorm.DB) error { return follower(s, sales).Apply(t.Context(), tx, batch, fetched) })
			if err != nil {
				t.Fatal(err)
			}
		}
		follow(t, s, sales, told...)
		checkFigures(t, s, sales)
	})
}

// However few of the events came, taking what List names ends where sales is; a
// copy goes whose order sales has no more.
func TestListBringsFiguresUpToDate(t *testing.T) {
	conn := dbtest.SQLite(t, Name, migrations)
	rapid.Check(t, func(t *rapid.T) {
		s := emptied(t, conn)
		sales, told := history(t)
		follow(t, s, sales, rapid.SliceOf(rapid.SampledFrom(told)).Draw(t, "came")...)
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
		sales.away = errors.New("away")
		for e, err := range follower(s, sales).List(t.Context()) {
			if !errors.Is(err, sales.away) {
				t.Errorf("named %+v, %v", e, err) // the copy is not gone: sales did not say so
			}
		}
		if err := deliver(s, sales, sales.move("o1", Confirmed)); !errors.Is(err, sales.away) {
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
		if got := fmt.Sprint(sales.asked); got != "[[o1 o2]]" {
			t.Errorf("sales was asked for %s", got)
		}
		fetched, err := follower(s, sales).Fetch(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		if err := follower(s, sales).Apply(t.Context(), nil, batch, fetched); err != nil { // a statement would panic
			t.Error(err)
		}
		follow(t, s, sales, sales.move("o2", Rejected), last)
		if got := fmt.Sprint(sales.asked); got != "[[o1 o2] [o2]]" {
			t.Errorf("sales was asked for %s", got)
		}
	})
}

// An order that sales does not have any more is gone here, too, with its lines.
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
			t.Errorf("lines are %+v (%v)", lines, err)
		}
	})
}

// The day is that of UTC, wherever sales says the customer was.
func TestDaysAreInUTC(t *testing.T) {
	west := time.FixedZone("west", -5*60*60)
	for at, want := range map[time.Time]string{
		time.Date(2010, 12, 1, 18, 59, 59, 0, west):      "2010-12-01",
		time.Date(2010, 12, 1, 19, 0, 0, 0, west):        "2010-12-02",
		time.Date(2010, 12, 31, 23, 59, 59, 0, time.UTC): "2010-12-31",
	} {
		o, err := orderOf(sale{id: "o1", currency: "GBP", placedAt: at}.model())
		if err != nil || o.Day != want || !o.PlacedAt.Equal(at) {
			t.Errorf("%s is on %s (%v), want %s", at, o.Day, err, want)
		}
	}
}

// An answer that makes no sense is not kept as something else.
func TestRefusesInvalidMoney(t *testing.T) {
	each(t, func(t *testing.T, s *Service, sales *fakeSales) {
		told := sales.place("o1", "2010-12-01", "pounds", ordered{"A", 1, 255})
		if err := deliver(s, sales, told); err == nil {
			t.Error("an order in pounds was kept")
		}
		m := sale{id: "o1", currency: "GBP", lines: []ordered{{"A", 1, 255}}}.model()
		m.Lines[0].Price.Amount = "2.555"
		if _, err := orderOf(m); err == nil {
			t.Error("a line at 2.555 was taken")
		}
	})
}
