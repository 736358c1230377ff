package audit

import (
	"fmt"

	inventoryclient "quadrille/services/inventory/client"
	salesclient "quadrille/services/sales/client"
)

// checkConsumers finds unsent, refused and dead events, failed checks, and consumers that
// fail or are behind.
func checkConsumers(n *snapshot) (found []string) {
	for _, service := range sorted(n.subscriptions) {
		s := n.subscriptions[service]
		if s.Outbox.Unsent > 0 {
			found = append(found, fmt.Sprintf("outbox of %s: %d events unsent", service, s.Outbox.Unsent))
		}
		if s.Outbox.Refused > 0 {
			found = append(found, fmt.Sprintf("outbox of %s: the log refuses %d events (quadrille refused list %s)", service, s.Outbox.Refused, service))
		}
		if s.DeadLetters > 0 {
			found = append(found, fmt.Sprintf("dead letters of %s: %d (quadrille dead list %s)", service, s.DeadLetters, service))
		}
		for _, check := range s.Checks {
			if !check.OK {
				found = append(found, fmt.Sprintf("%s is not ready: %s", service, check.Reason()))
			}
		}
		for _, r := range s.Items {
			switch {
			case r.Error != "":
				found = append(found, fmt.Sprintf("consumer of %s in %s: %s: %s", r.Stream, service, r.State, r.Error))
			case r.Lag > 0:
				found = append(found, fmt.Sprintf("consumer of %s in %s: %d behind", r.Stream, service, r.Lag))
			}
		}
	}
	return found
}

// checkStock finds SKUs whose quantities contradict each other or the allocations.
func checkStock(n *snapshot) (found []string) {
	reserved := map[string]int64{}
	shipped := map[string]int64{}
	for _, a := range n.allocations {
		for _, l := range a.Lines {
			switch a.Status {
			case inventoryclient.Allocated:
				reserved[l.Sku] += l.Quantity
			case inventoryclient.Shipped:
				shipped[l.Sku] += l.Quantity
			}
		}
	}
	for code, s := range n.skus {
		if s.OnHand != s.Received+s.Adjusted-s.Shipped {
			found = append(found, fmt.Sprintf("SKU %s: on_hand %d is not received %d + adjusted %d - shipped %d", code, s.OnHand, s.Received, s.Adjusted, s.Shipped))
		}
		if s.Reserved < 0 || s.OnHand < s.Reserved || s.Available != s.OnHand-s.Reserved {
			found = append(found, fmt.Sprintf("SKU %s: on_hand %d, reserved %d and available %d contradict each other", code, s.OnHand, s.Reserved, s.Available))
		}
		if s.Reserved != reserved[code] {
			found = append(found, fmt.Sprintf("SKU %s: reserved %d, allocations reserve %d", code, s.Reserved, reserved[code]))
		}
		if s.Shipped != shipped[code] {
			found = append(found, fmt.Sprintf("SKU %s: shipped %d, allocations shipped %d", code, s.Shipped, shipped[code]))
		}
	}
	for code, quantity := range reserved {
		if _, known := n.skus[code]; !known {
			found = append(found, fmt.Sprintf("SKU %s: allocations reserve %d, inventory does not have the SKU", code, quantity))
		}
	}
	return found
}

// copyOf holds the compared fields of a service's copy of a SKU.
type copyOf struct{ quantity, version int64 }

// checkCopies compares inventory's SKUs with the copies of catalog and wishlist.
func checkCopies(n *snapshot) (found []string) {
	catalog, wishlist := map[string]copyOf{}, map[string]copyOf{}
	for code, c := range n.catalogStock {
		catalog[code] = copyOf{c.Quantity, c.Version}
	}
	for code, c := range n.wishlistStock {
		wishlist[code] = copyOf{c.Quantity, c.Version}
	}
	return append(compareCopies(n, "catalog", catalog), compareCopies(n, "wishlist", wishlist)...)
}

func compareCopies(n *snapshot, holder string, copies map[string]copyOf) (found []string) {
	for code, s := range n.skus {
		c, held := copies[code]
		switch {
		case !held:
			found = append(found, fmt.Sprintf("SKU %s: %s has no copy", code, holder))
		case c != copyOf{s.Available, s.Version}:
			found = append(found, fmt.Sprintf("SKU %s: inventory has %d available at version %d, %s's copy %d at version %d",
				code, s.Available, s.Version, holder, c.quantity, c.version))
		}
	}
	for code := range copies {
		if _, known := n.skus[code]; !known {
			found = append(found, fmt.Sprintf("SKU %s: %s has a copy, inventory does not have the SKU", code, holder))
		}
	}
	return found
}

// checkProducts compares the availability of products with inventory's stock.
func checkProducts(n *snapshot) (found []string) {
	for code, p := range n.products {
		if s := n.skus[code]; p.Quantity != s.Available || p.Available != (s.Available > 0) {
			found = append(found, fmt.Sprintf("product %s: shows %d, inventory has %d available", code, p.Quantity, s.Available))
		}
	}
	return found
}

// checkPrices compares catalog's products with sales' copies.
func checkPrices(n *snapshot) (found []string) {
	for code, p := range n.products {
		c, held := n.prices[code]
		switch {
		case !held:
			found = append(found, fmt.Sprintf("product %s: sales has no copy", code))
		case c.Withdrawn || c.Version != p.Version || c.Title != p.Title || c.Price.Amount != p.Price.Amount || c.Price.Currency != p.Price.Currency:
			found = append(found, fmt.Sprintf("product %s: catalog has %s %s at version %d, sales' copy %s %s at version %d (withdrawn: %t)",
				code, p.Price.Amount, p.Price.Currency, p.Version, c.Price.Amount, c.Price.Currency, c.Version, c.Withdrawn))
		}
	}
	for code, c := range n.prices {
		if _, offered := n.products[code]; !offered && !c.Withdrawn {
			found = append(found, fmt.Sprintf("product %s: sales has a copy on offer, catalog does not offer it", code))
		}
	}
	return found
}

// agrees reports whether the statuses of an order and its allocation are consistent while
// the shop is at rest.
func agrees(order salesclient.OrderStatus, a inventoryclient.AllocationStatus) bool {
	switch order {
	case salesclient.Confirmed:
		return a == inventoryclient.Allocated
	case salesclient.Rejected:
		return a == inventoryclient.Rejected
	case salesclient.Cancelled:
		return a == inventoryclient.Released
	case salesclient.Shipped:
		return a == inventoryclient.Shipped
	default: // a placed order waits for inventory, so that the shop is not at rest
		return false
	}
}

// checkOrders compares every order with its allocation.
func checkOrders(n *snapshot) (found []string) {
	external := map[string]string{}
	for id, o := range n.orders {
		if o.ExternalId != nil {
			if twin, twice := external[*o.ExternalId]; twice {
				found = append(found, fmt.Sprintf("orders %s and %s have one external_id %s", min(id, twin), max(id, twin), *o.ExternalId))
			}
			external[*o.ExternalId] = id
		}
		a, known := n.allocations[id]
		switch {
		case !known:
			found = append(found, fmt.Sprintf("order %s: %s at sales, inventory has no allocation", id, o.Status))
		case !agrees(o.Status, a.Status):
			found = append(found, fmt.Sprintf("order %s: %s at sales, %s at inventory", id, o.Status, a.Status))
		default:
			found = append(found, compareLines(o, a)...)
		}
	}
	for id, a := range n.allocations {
		if _, known := n.orders[id]; !known {
			found = append(found, fmt.Sprintf("order %s: %s at inventory, sales does not have the order", id, a.Status))
		}
	}
	return found
}

// lineQuantity holds the fields of a line that both services store.
type lineQuantity struct{ quantity, short int64 }

// compareLines compares the ordered with the allocated quantities. It compares missing
// quantities of rejected orders only: an order that was cancelled before sales consumed the
// rejection does not have them.
func compareLines(o salesclient.Order, a inventoryclient.Allocation) (found []string) {
	short := func(n *int64) int64 {
		if o.Status != salesclient.Rejected || n == nil {
			return 0
		}
		return *n
	}
	ordered, allocated := map[string]lineQuantity{}, map[string]lineQuantity{}
	for _, l := range o.Lines {
		ordered[l.Sku] = lineQuantity{l.Quantity, short(l.Short)}
	}
	for _, l := range a.Lines {
		allocated[l.Sku] = lineQuantity{l.Quantity, short(l.Short)}
	}
	for sku, l := range ordered {
		if allocated[sku] != l {
			found = append(found, fmt.Sprintf("order %s: %d of %s (%d short) at sales, %d (%d short) at inventory",
				o.Id, l.quantity, sku, l.short, allocated[sku].quantity, allocated[sku].short))
		}
	}
	for sku, l := range allocated {
		if _, known := ordered[sku]; !known {
			found = append(found, fmt.Sprintf("order %s: %d of %s at inventory, not ordered at sales", o.Id, l.quantity, sku))
		}
	}
	return found
}

// checkStats compares sales' orders with stats' copies, if stats runs.
func checkStats(n *snapshot) (found []string) {
	if n.statsOrders == nil {
		return nil
	}
	for id, o := range n.orders {
		c, held := n.statsOrders[id]
		switch {
		case !held:
			found = append(found, fmt.Sprintf("order %s: stats has no copy", id))
		case c.Version != o.Version || c.Status != string(o.Status) || c.Total.Amount != o.Total.Amount:
			found = append(found, fmt.Sprintf("order %s: %s, %s at version %d at sales, stats' copy %s, %s at version %d",
				id, o.Status, o.Total.Amount, o.Version, c.Status, c.Total.Amount, c.Version))
		}
	}
	for id := range n.statsOrders {
		if _, known := n.orders[id]; !known {
			found = append(found, fmt.Sprintf("order %s: stats has a copy, sales does not have the order", id))
		}
	}
	return found
}
