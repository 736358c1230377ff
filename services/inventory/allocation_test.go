package inventory

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func stockOf(onHand map[string]int64) Stock {
	stock := Stock{}
	for code, n := range onHand {
		stock[code] = &SKU{Code: code, Received: n, OnHand: n, Version: 1}
	}
	return stock
}

func order(version int64, status string, lines ...Line) Order {
	return Order{ID: "o1", Version: version, Status: status, Lines: lines}
}

func TestAllocationFollowsTheOrder(t *testing.T) {
	two, three := Line{SKU: "A", Quantity: 2}, Line{SKU: "B", Quantity: 3}
	for name, tc := range map[string]struct {
		history          []Order
		status           string
		version          int64
		onHand, reserved int64 // of A, which starts with 5
	}{
		"placed":                       {[]Order{order(1, "placed", two)}, Allocated, 1, 5, 2},
		"told twice":                   {[]Order{order(1, "placed", two), order(1, "placed", two)}, Allocated, 1, 5, 2},
		"confirmed first seen":         {[]Order{order(2, "confirmed", two)}, Allocated, 1, 5, 2},
		"short on another line":        {[]Order{order(1, "placed", two, three)}, Rejected, 1, 5, 0},
		"cancelled":                    {[]Order{order(1, "placed", two), order(2, "cancelled", two)}, Released, 2, 5, 0},
		"cancelled before seen":        {[]Order{order(2, "cancelled", two)}, Released, 1, 5, 0},
		"placed after cancelled":       {[]Order{order(2, "cancelled", two), order(1, "placed", two)}, Released, 1, 5, 0},
		"shipped":                      {[]Order{order(1, "placed", two), order(3, "shipped", two)}, Shipped, 2, 3, 0},
		"shipped first seen":           {[]Order{order(3, "shipped", two)}, Shipped, 1, 3, 0},
		"short, then cancelled":        {[]Order{order(1, "placed", three), order(2, "cancelled", three)}, Released, 2, 5, 0},
		"the same SKU on two lines":    {[]Order{order(1, "placed", two, two)}, Allocated, 1, 5, 4},
		"rejected before it was known": {[]Order{order(2, "rejected", two)}, "", 0, 5, 0},
	} {
		t.Run(name, func(t *testing.T) {
			stock := stockOf(map[string]int64{"A": 5})
			a := &Allocation{}
			for _, o := range tc.history {
				a.Follow(o, stock)
			}
			if a.Status != tc.status || a.Version != tc.version {
				t.Errorf("allocation is %q at version %d, want %q at %d", a.Status, a.Version, tc.status, tc.version)
			}
			if sku := stock["A"]; sku.OnHand != tc.onHand || sku.Reserved != tc.reserved {
				t.Errorf("on hand %d, reserved %d; want %d, %d", sku.OnHand, sku.Reserved, tc.onHand, tc.reserved)
			}
		})
	}
}

func TestRejectedOrderNamesEveryShortLine(t *testing.T) {
	a := &Allocation{}
	a.Follow(order(1, "placed", Line{SKU: "A", Quantity: 7}, Line{SKU: "B", Quantity: 1}, Line{SKU: "NEVER", Quantity: 4}),
		stockOf(map[string]int64{"A": 5, "B": 1}))
	want := []Line{{OrderID: "o1", SKU: "A", Quantity: 7, Short: 2}, {OrderID: "o1", SKU: "B", Quantity: 1}, {OrderID: "o1", SKU: "NEVER", Quantity: 4, Short: 4}}
	if !slices.Equal(a.Lines, want) {
		t.Errorf("lines are %+v, want %+v", a.Lines, want)
	}
}

// Whatever orders come in whatever states, nothing is oversold and the stock
// adds up.
func TestStockAlwaysAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stock := stockOf(map[string]int64{"A": rapid.Int64Range(0, 9).Draw(t, "A"), "B": rapid.Int64Range(0, 9).Draw(t, "B")})
		allocations := map[string]*Allocation{}
		for range rapid.IntRange(1, 40).Draw(t, "events") {
			o := Order{
				ID:      rapid.SampledFrom([]string{"o1", "o2", "o3", "o4"}).Draw(t, "order"),
				Version: rapid.Int64Range(1, 5).Draw(t, "version"),
				Status:  rapid.SampledFrom([]string{"placed", "confirmed", "rejected", "cancelled", "shipped"}).Draw(t, "status"),
				Lines: []Line{
					{SKU: "A", Quantity: rapid.Int64Range(1, 4).Draw(t, "a")},
					{SKU: "B", Quantity: rapid.Int64Range(1, 4).Draw(t, "b")},
				},
			}
			if allocations[o.ID] == nil {
				allocations[o.ID] = &Allocation{}
			}
			allocations[o.ID].Follow(o, stock)
			checkStock(t, stock, allocations)
		}
	})
}

func checkStock(t *rapid.T, stock Stock, allocations map[string]*Allocation) {
	reserved := map[string]int64{}
	for _, a := range allocations {
		if a.Status == Allocated {
			for _, l := range a.Lines {
				reserved[l.SKU] += l.Quantity
			}
		}
	}
	for code, sku := range stock {
		if sku.OnHand != sku.Received+sku.Adjusted-sku.Shipped || sku.OnHand < sku.Reserved || sku.Reserved != reserved[code] {
			t.Fatalf("%+v does not add up, allocations reserve %d", *sku, reserved[code])
		}
	}
}
