package audit

import (
	"strings"
	"testing"

	catalogclient "quadrille/services/catalog/client"
	inventoryclient "quadrille/services/inventory/client"
	salesclient "quadrille/services/sales/client"
	wishlistclient "quadrille/services/wishlist/client"
)

// agreeing is the notes of a shop in which everything is right: one SKU of which
// two are reserved for one order.
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
		subscriptions: map[string]Subscriptions{"sales": {}},
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
		"outbox of sales: 1 events unsent":         func(n *notes) { change(n.subscriptions, "sales", func(s *Subscriptions) { s.Outbox.Unsent = 1 }) },
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

func reading(lag int64, err string) (s Subscriptions) {
	s.Items = append(s.Items, struct {
		Stream string `json:"stream"`
		Lag    int64  `json:"lag"`
		State  string `json:"state"`
		Error  string `json:"error"`
	}{Stream: "inventory", Lag: lag, State: "failing", Error: err})
	return s
}
