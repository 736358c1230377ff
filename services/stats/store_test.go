package stats

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"quadrille/internal/platform/copies"
	"quadrille/pkg/events"
)

// An outdated response overwrites no part of a newer copy.
func TestAnOlderVersionNeverOverwritesANewerOne(t *testing.T) {
	each(t, func(t *testing.T, s *Service, sales *fakeSales) {
		first := []events.Event{sales.place("o1", "2010-12-01", "GBP", ordered{"A", 1, 255})}
		fetched, err := follower(s, sales).Fetch(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		o := sales.orders["o1"]
		o.lines = []ordered{{"B", 2, 100}}
		sales.orders["o1"] = o
		follow(t, s, sales, sales.move("o1", Confirmed))
		err = s.store.db.Transaction(func(tx *gorm.DB) error { return follower(s, sales).Apply(t.Context(), tx, first, fetched) })
		if err != nil {
			t.Fatal(err)
		}
		checkFigures(t, s, sales)
	})
}

// A newer version replaces every field and line of the copy, even those that sales never
// changes today.
func TestNewerVersionReplacesTheWholeCopy(t *testing.T) {
	each(t, func(t *testing.T, s *Service, sales *fakeSales) {
		sales.place("o1", "2010-12-01", "GBP", ordered{"A", 1, 255}, ordered{"B", 7, 100})
		follow(t, s, sales, sales.move("o1", Confirmed))
		sales.orders["o1"] = sale{
			id: "o1", status: Shipped, currency: "EUR", version: 3, placedAt: time.Date(2011, 1, 2, 3, 4, 5, 0, time.UTC),
			lines: []ordered{{"A", 3, 300}, {"C", 1, 50}},
		}
		follow(t, s, sales, events.OrderChanged(events.SalesOrderShipped, "o1", 3))
		checkFigures(t, s, sales)
		rows, err := s.Orders(t.Context(), "", 50)
		if err != nil || len(rows) != 1 || !rows[0].PlacedAt.Equal(sales.orders["o1"].placedAt) {
			t.Errorf("kept %+v (%v)", rows, err)
		}
	})
}

// shop places and confirms orders with three lines each, and returns the events.
func shop(sales *fakeSales, orders int) (published []events.Event) {
	for i := range orders {
		id := fmt.Sprintf("o%04d", i)
		day := time.Date(2010, 12, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, i%300).Format(time.DateOnly)
		lines := make([]ordered, 3)
		for n := range lines {
			lines[n] = ordered{fmt.Sprint("S", (i+n*7)%100), int64(n + 1), 255}
		}
		published = append(published, sales.place(id, day, "GBP", lines...), sales.move(id, Confirmed))
	}
	return published
}

func TestKeepsABatchLargerThanOneStatement(t *testing.T) {
	each(t, func(t *testing.T, s *Service, sales *fakeSales) {
		follow(t, s, sales, shop(sales, copies.RowsAtOnce+1)...)
		var lines int64
		if err := s.store.db.Model(&Line{}).Count(&lines).Error; err != nil || lines != 3*(copies.RowsAtOnce+1) {
			t.Errorf("kept %d lines (%v)", lines, err)
		}
		got, want := shown(t, s), sales.account()
		got.copies, want.copies = nil, nil // these exceed a page
		if !got.equal(want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	})
}

// statements is a gorm logger that counts statements.
type statements struct {
	logger.Interface

	n int
}

// Trace implements gorm's logger; gorm calls it after each statement.
func (s *statements) Trace(context.Context, time.Time, func() (string, int64), error) { s.n++ }

// The number of statements of a batch does not depend on its number of orders.
func TestStatementsPerBatchAreConstant(t *testing.T) {
	each(t, func(t *testing.T, s *Service, sales *fakeSales) {
		published := shop(sales, 151)
		counted := &statements{Interface: logger.Discard}
		s.store.db = s.store.db.Session(&gorm.Session{Logger: counted})
		for _, step := range []struct {
			batch []events.Event
			want  int
		}{
			{published[:2], 5}, // versions; orders, their versions, delete lines, insert lines
			{published[2:], 5},
			{published, 1}, // versions
		} {
			counted.n = 0
			follow(t, s, sales, step.batch...)
			if counted.n != step.want {
				t.Errorf("a batch of %d took %d statements, want %d", len(step.batch), counted.n, step.want)
			}
		}
	})
}

func TestCopiesAreListedByID(t *testing.T) {
	each(t, func(t *testing.T, s *Service, sales *fakeSales) {
		follow(t, s, sales, shop(sales, 5)...)
		for name, tc := range map[string]struct {
			after string
			limit int
			want  []string
		}{
			"all":            {"", 50, []string{"o0000", "o0001", "o0002", "o0003", "o0004"}},
			"first":          {"", 2, []string{"o0000", "o0001"}},
			"next":           {"o0001", 2, []string{"o0002", "o0003"}},
			"after the last": {"o0004", 2, nil},
		} {
			rows, err := s.Orders(t.Context(), tc.after, tc.limit)
			var got []string
			for _, o := range rows {
				got = append(got, o.ID)
			}
			if err != nil || !slices.Equal(got, tc.want) {
				t.Errorf("%s: got %v (%v), want %v", name, got, err, tc.want)
			}
		}
	})
}
