package stats

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// figures holds all responses of stats.
type figures struct {
	summary Summary
	daily   []Daily
	top     []Top
	copies  []held
}

// held holds the compared fields of a copy.
type held struct {
	id, status, currency string
	units, minor         int64
	version              int64
}

// shown returns the figures of a service.
func shown(t rapid.TB, s *Service) (f figures) {
	t.Helper()
	ctx := context.Background()
	var errs [4]error
	var rows []Order
	f.summary, errs[0] = s.Summary(ctx)
	f.daily, errs[1] = s.Daily(ctx, "", "")
	f.top, errs[2] = s.Top(ctx, 500)
	rows, errs[3] = s.Orders(ctx, "", 500)
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range rows {
		f.copies = append(f.copies, held{o.ID, o.Status, o.Currency, o.Units, o.TotalMinor, o.Version})
	}
	return f
}

// account computes the expected figures from sales' orders, one by one.
func (f *fakeSales) account() (all figures) {
	all.summary = Summary{Status: map[string]int64{}, Revenue: Revenue{}}
	days, skus := map[[2]string]Daily{}, map[[2]string]Top{}
	for _, id := range slices.Sorted(maps.Keys(f.orders)) {
		o := f.orders[id]
		h := held{id: id, status: o.status, currency: o.currency, version: o.version}
		for _, l := range o.lines {
			h.units, h.minor = h.units+l.units, h.minor+l.units*l.each
		}
		all.copies = append(all.copies, h)
		all.summary.Orders++
		all.summary.Status[o.status]++
		if o.status != "confirmed" && o.status != "shipped" {
			continue
		}
		all.summary.Units += h.units
		all.summary.Revenue[o.currency] += h.minor
		day := o.placedAt.Format("2006-01-02")
		d := days[[2]string{day, o.currency}]
		days[[2]string{day, o.currency}] = Daily{day, o.currency, d.Orders + 1, d.Units + h.units, d.Minor + h.minor}
		for _, l := range o.lines {
			s := skus[[2]string{l.sku, o.currency}]
			skus[[2]string{l.sku, o.currency}] = Top{l.sku, title(l.sku), o.currency, s.Units + l.units, s.Minor + l.units*l.each}
		}
	}
	all.daily = slices.SortedFunc(maps.Values(days), func(a, b Daily) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Currency, b.Currency))
	})
	all.top = slices.SortedFunc(maps.Values(skus), func(a, b Top) int {
		return cmp.Or(cmp.Compare(b.Units, a.Units), cmp.Compare(a.SKU, b.SKU), cmp.Compare(a.Currency, b.Currency))
	})
	return all
}

// equal compares figures. Nil and empty slices and maps are equal.
func (f figures) equal(other figures) bool {
	return f.summary.Orders == other.summary.Orders && f.summary.Units == other.summary.Units &&
		maps.Equal(f.summary.Status, other.summary.Status) && maps.Equal(f.summary.Revenue, other.summary.Revenue) &&
		slices.Equal(f.daily, other.daily) && slices.Equal(f.top, other.top) && slices.Equal(f.copies, other.copies)
}

// checkFigures fails unless the service has the figures of sales' orders.
func checkFigures(t rapid.TB, s *Service, sales *fakeSales) {
	t.Helper()
	if got, want := shown(t, s), sales.account(); !got.equal(want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
}

// Without this test, a comparison that always succeeds would go unnoticed.
func TestFiguresComparisonDetectsDifferences(t *testing.T) {
	sales := newSales()
	sales.place("o1", "2010-12-01", "GBP", ordered{"A", 1, 255})
	sales.move("o1", Confirmed)
	before := sales.account()
	sales.move("o1", Shipped)
	if sales.account().equal(before) || !before.equal(before) {
		t.Error("the figures are equal before and after an order was shipped")
	}
}
