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

// agreeing returns the notes of a shop without differences: one SKU of which two are
// reserved for one order.
func agreeing() *notes {
	line := []salesclient.OrderLine{{Sku: "A", Quantity: 2}}
	price := catalogclient.Money{Amount: "1.00", Currency: "GBP"}
	external := "e1"
	n := &notes{
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

func TestEveryKindOfDifferenceIsFoundAndNamed(t *testing.T) {
	if found := compare(agreeing()); len(found) > 0 {
		t.Fatalf("notes that agree differ: %v", found)
	}
	for want, plant := range map[string]func(*notes){
		"SKU A: catalog has no copy":              func(n *notes) { delete(n.catalogStock, "A") },
		"SKU A: wishlist has no copy":             func(n *notes) { delete(n.wishlistStock, "A") },
		"wishlist's copy 3 at version 3":          func(n *notes) { change(n.wishlistStock, "A", func(s *wishlistclient.Stock) { s.Version = 3 }) },
		"catalog's copy 4 at version 4":           func(n *notes) { change(n.catalogStock, "A", func(s *catalogclient.Stock) { s.Quantity = 4 }) },
		"inventory does not know it":              func(n *notes) { n.catalogStock["B"] = catalogclient.Stock{} },
		"on_hand 5 is not received 7":             func(n *notes) { change(n.skus, "A", func(s *inventoryclient.Sku) { s.Received = 7 }) },
		"reserved 2, allocations reserve 4":       func(n *notes) { n.allocations["o2"] = n.allocations["o1"] },
		"order o2: allocated at inventory, sales": func(n *notes) { n.allocations["o2"] = n.allocations["o1"] },
		"shipped 1, allocations shipped 0":        func(n *notes) { change(n.skus, "A", func(s *inventoryclient.Sku) { s.Shipped, s.Received = 1, 7 }) },
		"cannot be":                               func(n *notes) { change(n.skus, "A", func(s *inventoryclient.Sku) { s.Available = 9 }) },
		"product A: shows 9":                      func(n *notes) { change(n.products, "A", func(p *catalogclient.Product) { p.Quantity = 9 }) },
		"product A: sales has no copy":            func(n *notes) { delete(n.prices, "A") },
		"sales' copy 1.00 GBP at version 6":       func(n *notes) { change(n.prices, "A", func(p *salesclient.Price) { p.Version = 6 }) },
		"catalog does not offer it":               func(n *notes) { delete(n.products, "A") },
		"order o1: placed at sales, allocated":    func(n *notes) { change(n.orders, "o1", func(o *salesclient.Order) { o.Status = salesclient.Placed }) },
		"order o1: confirmed at sales, inventory": func(n *notes) { delete(n.allocations, "o1") },
		"have one external_id e1":                 func(n *notes) { n.orders["o2"] = n.orders["o1"] },
		"order o1: 3 of A (0 short) at sales": func(n *notes) {
			change(n.orders, "o1", func(o *salesclient.Order) { o.Lines = []salesclient.OrderLine{{Sku: "A", Quantity: 3}} })
		},
		"order o1: stats has no copy":       func(n *notes) { delete(n.statsOrders, "o1") },
		"stats' copy placed,  at version 0": func(n *notes) { change(n.statsOrders, "o1", func(o *statsclient.Order) { o.Status = "placed" }) },
		"stats has a copy, sales does not":  func(n *notes) { n.statsOrders["o9"] = statsclient.Order{} },
		"dead letters of sales: 3": func(n *notes) {
			change(n.subscriptions, "sales", func(s *ops.Subscriptions) { s.DeadLetters = 3 })
		},
		"outbox of sales: 1 events unsent": func(n *notes) {
			change(n.subscriptions, "sales", func(s *ops.Subscriptions) { s.Outbox.Unsent = 1 })
		},
		"sales is not ready: lease: nobody reads (look)": func(n *notes) {
			n.subscriptions["sales"] = ops.Subscriptions{Checks: []ready.Result{{Name: "lease", State: ready.Failing, Detail: "nobody reads", Remedy: "look"}}}
		},
		"reader of sales at inventory: 2 behind":   func(n *notes) { n.subscriptions["sales"] = reading(2, "") },
		"reader of sales at inventory: failing: x": func(n *notes) { n.subscriptions["sales"] = reading(0, "x") },
	} {
		n := agreeing()
		plant(n)
		if found := strings.Join(compare(n), "\n"); !strings.Contains(found, want) {
			t.Errorf("%q is not found in:\n%s", want, found)
		}
	}
}

// An order that was cancelled before sales heard that it was short is in order;
// one that was rejected must say the same at both.
func TestShortOfCancelledOrders(t *testing.T) {
	one := int64(1)
	plant := func(order salesclient.OrderStatus, allocation inventoryclient.AllocationStatus) []string {
		n := agreeing()
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
	if found := plant(salesclient.Cancelled, inventoryclient.Released); len(found) > 0 {
		t.Errorf("a cancelled order differs: %v", found)
	}
	if found := plant(salesclient.Rejected, inventoryclient.Rejected); len(found) != 1 || !strings.Contains(found[0], "(0 short) at sales, 2 (1 short)") {
		t.Errorf("a rejected order that is short at one of them only gives %v", found)
	}
}

func reading(lag int64, err string) ops.Subscriptions {
	return ops.Subscriptions{Items: []ops.Subscription{{Stream: "inventory", Lag: lag, State: "failing", Error: err}}}
}
