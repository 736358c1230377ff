package sales

import (
	"context"
	"fmt"
	"iter"

	"quadrille/internal/platform/copies"
	"quadrille/pkg/consumer"
	"quadrille/pkg/events"
	"quadrille/pkg/money"
	catalogclient "quadrille/services/catalog/client"
	inventoryclient "quadrille/services/inventory/client"
)

// allocationSource returns allocations of orders; inventory's client implements it.
type allocationSource interface {
	Allocations(ctx context.Context, orders []string) ([]inventoryclient.Allocation, error)
}

// allocationFollower consumes inventory's events and confirms or rejects orders.
type allocationFollower struct {
	store     *store
	inventory allocationSource
}

func allocationEvents() []string {
	return []string{events.InventoryOrderAllocated, events.InventoryOrderRejected}
}

// Fetch reads the allocations from inventory. It skips orders that no longer wait for
// inventory.
func (f *allocationFollower) Fetch(ctx context.Context, batch []events.Event) (map[string]Allocation, error) {
	waiting, err := f.store.stillPlaced(ctx, consumer.Subjects(consumer.Newest(batch)))
	if err != nil {
		return nil, err
	}
	found, err := f.inventory.Allocations(ctx, waiting)
	unfit, err := copies.Refused(err)
	if err != nil {
		return nil, err
	}
	allocations := make(map[string]Allocation, len(found))
	for _, a := range found {
		allocations[a.Order] = allocationOf(a)
	}
	if len(unfit) > 0 {
		return allocations, unfit
	}
	return allocations, nil
}

// Apply confirms or rejects the orders by their allocations.
func (f *allocationFollower) Apply(ctx context.Context, tx consumer.Tx, batch []events.Event, allocations map[string]Allocation) error {
	return f.store.settle(ctx, tx, allocations, consumer.Newest(batch))
}

// List returns an event for each order that still waits for inventory. The result of all
// other orders is known.
func (f *allocationFollower) List(ctx context.Context) iter.Seq2[events.Event, error] {
	return consumer.Named(f.store.everyPlaced(ctx), func(o Order) events.Event {
		return events.OrderAllocated(o.ID, 1)
	})
}

func allocationOf(a inventoryclient.Allocation) Allocation {
	short := map[string]int64{}
	for _, l := range a.Lines {
		if l.Short != nil {
			short[l.Sku] = *l.Short
		}
	}
	return Allocation{OrderID: a.Order, Status: string(a.Status), Short: short}
}

// productOwner is a productSource that also iterates over all products.
type productOwner interface {
	productSource
	AllProducts(ctx context.Context) iter.Seq2[catalogclient.Product, error]
}

func priceEvents() []string {
	return []string{events.CatalogProductChanged, events.CatalogProductWithdrawn}
}

// priceCopies keeps copies of catalog's products. It marks a product that catalog no longer
// offers as withdrawn.
func priceCopies(s *store, catalog productOwner) *copies.Copies[catalogclient.Product, Price] {
	return &copies.Copies[catalogclient.Product, Price]{
		Get: catalog.Products, All: catalog.AllProducts, Copy: priceOf, Store: s, Gone: events.ProductWithdrawn,
		Named: func(p catalogclient.Product) events.Event { return events.ProductChanged(p.Sku, p.Version) },
	}
}

func priceOf(p catalogclient.Product) (Price, error) {
	price, err := money.Parse(p.Price.Amount, p.Price.Currency)
	if err != nil {
		return Price{}, fmt.Errorf("price of %s: %w", p.Sku, err)
	}
	return Price{SKU: p.Sku, Title: p.Title, PriceMinor: price.Minor, Currency: price.Currency, Version: p.Version}, nil
}
