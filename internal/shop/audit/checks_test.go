package audit

import (
	"strings"
	"testing"

	"quadrille/internal/platform/ops"
	"quadrille/internal/platform/ready"
	catalogclient "quadrille/services/catalog/client"
	inventoryclient "quadrille/services/inventory/client"
	salesclient "quadrille/services/sales/client"
	statsclient "quadrille/services/stats/client"
	wishlistclient "quadrille/services/wishlist/client"
)

// consistent returns the snapshot of a shop without differences. It has one SKU, with two
// pieces reserved for one order.
func consistent() *snapshot {
	line := []salesclient.OrderLine{{Sku: "A", Quantity: 2}}
	price := catalogclient.Money{Amount: "1.00", Currency: "GBP"}
	external := "e1"
	n := &snapshot{
		skus:          map[string]inventoryclient.Sku{"A": {Code: "A", OnHand: 5, Received: 6, Adjusted: -1, Reserved: 2, Available: 3, Version: 4}},
		allocations:   map[string]inventoryclient.Allocation{"o1": {Order: "o1", Status: inventoryclient.Allocated, Lines: []inventoryclient.AllocationLine{{Sku: "A", Quantity: 2}}}},
		products:      map[string]catalogclient.Product{"A": {Sku: "A", Title: "a", Price: price, Quantity: 3, Available: true, Version: 7}},
		catalogStock:  map[string]catalogclient.Stock{"A": {Sku: "A", Quantity: 3, Version: 4}},
		wishlistStock: map[string]wishlistclient.Stock{"A": {Sku: "A", Quantity: 3, Version: 4}},
		orders:        map[string]salesclient.Order{"o1": {Id: "o1", ExternalId: &external, Status: salesclient.Confirmed, Lines: line}},
		prices:        map[string]salesclient.Price{"A": {Sku: "A", Title: "a", Price: salesclient.Money(price), Version: 7}},
		statsOrders:   map[string]statsclient.Order{"o1": {Id: "o1", Status: "confirmed"}},
		subscriptions: map[string]ops.Subscriptions{"sales": {}},
	}
	return n
}

func change[K comparable, V any](m map[K]V, key K, change func(*V)) {
	v := m[key]
	change(&v)
	m[key] = v
}

func TestFindsEveryKindOfDifference(t *testing.T) {
	if found := compare(consistent()); len(found) > 0 {
		t.Fatalf("a consistent snapshot has differences: %v", found)
	}
	for want, corrupt := range map[string]func(*snapshot){
		"SKU A: catalog has no copy":              func(n *snapshot) { delete(n.catalogStock, "A") },
		"SKU A: wishlist has no copy":             func(n *snapshot) { delete(n.wishlistStock, "A") },
		"wishlist's copy 3 at version 3":          func(n *snapshot) { change(n.wishlistStock, "A", func(s *wishlistclient.Stock) { s.Version = 3 }) },
		"catalog's copy 4 at version 4":           func(n *snapshot) { change(n.catalogStock, "A", func(s *catalogclient.Stock) { s.Quantity = 4 }) },
		"inventory does not have the SKU":         func(n *snapshot) { n.catalogStock["B"] = catalogclient.Stock{} },
		"on_hand 5 is not received 7":             func(n *snapshot) { change(n.skus, "A", func(s *inventoryclient.Sku) { s.Received = 7 }) },
		"reserved 2, allocations reserve 4":       func(n *snapshot) { n.allocations["o2"] = n.allocations["o1"] },
		"order o2: allocated at inventory, sales": func(n *snapshot) { n.allocations["o2"] = n.allocations["o1"] },
		"shipped 1, allocations shipped 0":        func(n *snapshot) { change(n.skus, "A", func(s *inventoryclient.Sku) { s.Shipped, s.Received = 1, 7 }) },
		"contradict each other":                   func(n *snapshot) { change(n.skus, "A", func(s *inventoryclient.Sku) { s.Available = 9 }) },
		"product A: shows 9":                      func(n *snapshot) { change(n.products, "A", func(p *catalogclient.Product) { p.Quantity = 9 }) },
		"product A: sales has no copy":            func(n *snapshot) { delete(n.prices, "A") },
		"sales' copy 1.00 GBP at version 6":       func(n *snapshot) { change(n.prices, "A", func(p *salesclient.Price) { p.Version = 6 }) },
		"catalog does not offer it":               func(n *snapshot) { delete(n.products, "A") },
		"order o1: placed at sales, allocated": func(n *snapshot) {
			change(n.orders, "o1", func(o *salesclient.Order) { o.Status = salesclient.Placed })
		},
		"order o1: confirmed at sales, inventory": func(n *snapshot) { delete(n.allocations, "o1") },
		"have one external_id e1":                 func(n *snapshot) { n.orders["o2"] = n.orders["o1"] },
		"order o1: 3 of A (0 short) at sales": func(n *snapshot) {
			change(n.orders, "o1", func(o *salesclient.Order) { o.Lines = []salesclient.OrderLine{{Sku: "A", Quantity: 3}} })
		},
		"order o1: stats has no copy":       func(n *snapshot) { delete(n.statsOrders, "o1") },
		"stats' copy placed,  at version 0": func(n *snapshot) { change(n.statsOrders, "o1", func(o *statsclient.Order) { o.Status = "placed" }) },
		"stats has a copy, sales does not":  func(n *snapshot) { n.statsOrders["o9"] = statsclient.Order{} },
		"dead letters of sales: 3": func(n *snapshot) {
			change(n.subscriptions, "sales", func(s *ops.Subscriptions) { s.DeadLetters = 3 })
		},
		"outbox of sales: 1 events unsent": func(n *snapshot) {
			change(n.subscriptions, "sales", func(s *ops.Subscriptions) { s.Outbox.Unsent = 1 })
		},
		"sales is not ready: lease: no instance holds it (look)": func(n *snapshot) {
			n.subscriptions["sales"] = ops.Subscriptions{Checks: []ready.Result{{Name: "lease", State: ready.Failing, Detail: "no instance holds it", Remedy: "look"}}}
		},
		"consumer of inventory in sales: 2 behind":   func(n *snapshot) { n.subscriptions["sales"] = reading(2, "") },
		"consumer of inventory in sales: failing: x": func(n *snapshot) { n.subscriptions["sales"] = reading(0, "x") },
	} {
		n := consistent()
		corrupt(n)
		if found := strings.Join(compare(n), "\n"); !strings.Contains(found, want) {
			t.Errorf("the differences lack %q:\n%s", want, found)
		}
	}
}

// Missing quantities may differ for an order that was cancelled before sales consumed the
// rejection. They must be equal for a rejected order.
func TestComparesMissingQuantitiesOfRejectedOrdersOnly(t *testing.T) {
	one := int64(1)
	corrupt := func(order salesclient.OrderStatus, allocation inventoryclient.AllocationStatus) []string {
		n := consistent()
		change(n.orders, "o1", func(o *salesclient.Order) { o.Status = order })
		change(n.statsOrders, "o1", func(o *statsclient.Order) { o.Status = string(order) })
		change(n.skus, "A", func(s *inventoryclient.Sku) { s.Reserved, s.Available = 0, 5 })
		change(n.products, "A", func(p *catalogclient.Product) { p.Quantity = 5 })
		change(n.catalogStock, "A", func(s *catalogclient.Stock) { s.Quantity = 5 })
		change(n.wishlistStock, "A", func(s *wishlistclient.Stock) { s.Quantity = 5 })
		change(n.allocations, "o1", func(a *inventoryclient.Allocation) {
			a.Status, a.Lines = allocation, []inventoryclient.AllocationLine{{Sku: "A", Quantity: 2, Short: &one}}
		})
		return compare(n)
	}
	if found := corrupt(salesclient.Cancelled, inventoryclient.Released); len(found) > 0 {
		t.Errorf("got differences for a cancelled order: %v", found)
	}
	if found := corrupt(salesclient.Rejected, inventoryclient.Rejected); len(found) != 1 || !strings.Contains(found[0], "(0 short) at sales, 2 (1 short)") {
		t.Errorf("got %v for a rejected order that is short at inventory only", found)
	}
}

func reading(lag int64, err string) ops.Subscriptions {
	return ops.Subscriptions{Items: []ops.Subscription{{Stream: "inventory", Lag: lag, State: "failing", Error: err}}}
}
