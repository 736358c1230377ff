package stats

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"quadrille/pkg/fault"
)

// december places orders in two currencies. The comments show the expected figures of each.
func december(t *testing.T, s *Service, sales *fakeSales) {
	t.Helper()
	for _, o := range []struct {
		id, day, currency, status string
		lines                     []ordered
	}{
		{"o1", "2010-12-01", "GBP", Confirmed, []ordered{{"A", 2, 255}, {"B", 1, 100}}}, // 3 units, 6.10
		{"o2", "2010-12-01", "GBP", Rejected, []ordered{{"A", 50, 255}}},
		{"o3", "2010-12-01", "EUR", Confirmed, []ordered{{"C", 4, 1000}}}, // 4 units, 40.00
		{"o4", "2010-12-03", "GBP", Shipped, []ordered{{"B", 3, 100}}},    // 3 units, 3.00
		{"o5", "2010-12-03", "GBP", Cancelled, []ordered{{"D", 9, 1}}},
		{"o6", "2010-12-31", "GBP", Confirmed, []ordered{{"C", 1, 899}, {"A", 2, 250}}}, // 3 units, 13.99
		{"o7", "2010-12-31", "GBP", "placed", []ordered{{"D", 9, 1}}},
	} {
		published := sales.place(o.id, o.day, o.currency, o.lines...)
		if o.status != "placed" {
			published = sales.move(o.id, o.status)
		}
		follow(t, s, sales, published)
	}
}

func TestSummary(t *testing.T) {
	each(t, func(t *testing.T, s *Service, sales *fakeSales) {
		december(t, s, sales)
		got, err := s.Summary(t.Context())
		want := Summary{
			Orders:  7,
			Status:  map[string]int64{"placed": 1, Confirmed: 3, Rejected: 1, Cancelled: 1, Shipped: 1},
			Units:   13,
			Revenue: Revenue{"EUR": 4000, "GBP": 2309},
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v (%v), want %+v", got, err, want)
		}
	})
}

func TestDaily(t *testing.T) {
	each(t, func(t *testing.T, s *Service, sales *fakeSales) {
		december(t, s, sales)
		euros, first := Daily{"2010-12-01", "EUR", 1, 4, 4000}, Daily{"2010-12-01", "GBP", 1, 3, 610}
		third, last := Daily{"2010-12-03", "GBP", 1, 3, 300}, Daily{"2010-12-31", "GBP", 1, 3, 1399}
		for bounds, want := range map[[2]string][]Daily{
			{"", ""}:                     {euros, first, third, last},
			{"2010-12-01", "2010-12-31"}: {euros, first, third, last},
			{"2010-12-02", ""}:           {third, last},
			{"", "2010-12-30"}:           {euros, first, third},
			{"2010-12-03", "2010-12-03"}: {third},
			{"2010-12-04", "2010-12-30"}: nil,
			{"2011-01-01", ""}:           nil,
			{"", "2010-11-30"}:           nil,
		} {
			got, err := s.Daily(t.Context(), bounds[0], bounds[1])
			if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%q: got %v (%v), want %v", bounds, got, err, want)
			}
		}
	})
}

func TestTop(t *testing.T) {
	each(t, func(t *testing.T, s *Service, sales *fakeSales) {
		december(t, s, sales)
		want := []Top{
			{"A", title("A"), "GBP", 4, 1010},
			{"B", title("B"), "GBP", 4, 400},
			{"C", title("C"), "EUR", 4, 4000},
			{"C", title("C"), "GBP", 1, 899},
		}
		for _, limit := range []int{500, 4, 3, 1} {
			got, err := s.Top(t.Context(), limit)
			if cut := want[:min(limit, len(want))]; err != nil || fmt.Sprint(got) != fmt.Sprint(cut) {
				t.Errorf("first %d: got %v (%v), want %v", limit, got, err, cut)
			}
		}
	})
}

// Sums are exact, whatever type the database uses for them.
func TestLargeSumsStayExact(t *testing.T) {
	each(t, func(t *testing.T, s *Service, sales *fakeSales) {
		const million, billion = 1_000_000, 1_000_000_000
		for i := range 4 {
			id := fmt.Sprint("o", i)
			sales.place(id, "2010-12-01", "GBP", ordered{"A", billion, million})
			follow(t, s, sales, sales.move(id, Confirmed))
		}
		checkFigures(t, s, sales)
		if got := shown(t, s).summary; got.Units != 4*billion || got.Revenue["GBP"] != 4*billion*million {
			t.Errorf("got %+v", got)
		}
	})
}

func TestNoFiguresWithoutConfirmedOrders(t *testing.T) {
	each(t, func(t *testing.T, s *Service, sales *fakeSales) {
		checkFigures(t, s, sales)
		follow(t, s, sales, sales.place("o1", "2010-12-01", "GBP", ordered{"A", 1, 255}))
		checkFigures(t, s, sales)
		if got := shown(t, s); got.summary.Orders != 1 || got.summary.Units != 0 || len(got.summary.Revenue)+len(got.daily)+len(got.top) != 0 {
			t.Errorf("a placed order is counted as sold: %+v", got)
		}
	})
}

func TestRefusesInvalidDays(t *testing.T) {
	each(t, func(t *testing.T, s *Service, _ *fakeSales) {
		for bounds, want := range map[[2]string]string{
			{"2010-02-30", ""}:           "day_invalid [#/query/from]",
			{"", "tomorrow"}:             "day_invalid [#/query/to]",
			{"2010-13-01", "2010-00-01"}: "day_invalid [#/query/from #/query/to]",
			{"2010-12-02", "2010-12-01"}: "days_reversed [#/query/from]",
		} {
			_, err := s.Daily(t.Context(), bounds[0], bounds[1])
			var f *fault.Fault
			if !errors.As(err, &f) || f.Kind != fault.Invalid {
				t.Errorf("%q: got %v", bounds, err)
				continue
			}
			var pointers []string
			for _, field := range f.Fields {
				pointers = append(pointers, field.Pointer)
			}
			if got := fmt.Sprint(f.Code, " ", pointers); got != want {
				t.Errorf("%q: got %s, want %s", bounds, got, want)
			}
		}
	})
}
