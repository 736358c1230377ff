package sales

import (
	"context"
	"fmt"
	"iter"

	"quadrille/pkg/consumer"
	"quadrille/pkg/events"
	"quadrille/pkg/money"
	catalogclient "quadrille/services/catalog/client"
	inventoryclient "quadrille/services/inventory/client"
)

// allocationSource is what sales asks inventory for.
type allocationSource interface {
	Allocations(ctx context.Context, orders []string) ([]inventoryclient.Allocation, error)
}

// allocationFollower confirms and rejects orders by what inventory did for them.
type allocationFollower struct {
	store     *store
	inventory allocationSource
}

func allocationEvents() []string {
	return []string{events.InventoryOrderAllocated, events.InventoryOrderRejected}
}

// Fetch asks inventory what it did. An order that waits for it no longer needs
// no call.
func (f *allocationFollower) Fetch(ctx context.Context, batch []events.Event) (map[string]Allocation, error) {
	waiting, err := f.store.stillPlaced(ctx, consumer.Subjects(consumer.Newest(batch)))
	if err != nil {
		return nil, err
	}
	found, err := f.inventory.Allocations(ctx, waiting)
	if err != nil {
		return nil, err
	}
	allocations := make(map[string]Allocation, len(found))
	for _, a := range found {
		allocations[a.Order] = allocationOf(a)
	}
	return allocations, nil
}

// Apply settles the orders.
func (f *allocationFollower) Apply(ctx context.Context, tx consumer.Tx, batch []events.Event, allocations map[string]Allocation) error {
	return f.store.settle(ctx, tx, allocations, consumer.Newest(batch))
}

// List names the orders that still wait for inventory: what it did for any other
// is known.
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

// productOwner is a productSource that can name all it has.
type productOwner interface {
	productSource
	AllProducts(ctx context.Context) iter.Seq2[catalogclient.Product, error]
}

// priceFollower keeps sales' copies of catalog's products.
type priceFollower struct {
	store   *store
	catalog productOwner
}

func priceEvents() []string {
	return []string{events.CatalogProductChanged, events.CatalogProductWithdrawn}
}

// Fetch asks catalog for the products whose copies are behind. One that catalog
// no longer offers is kept as withdrawn: a fact, not a fault.
func (f *priceFollower) Fetch(ctx context.Context, batch []events.Event) ([]Price, error) {
	newest := consumer.Newest(batch)
	known, err := f.store.Prices(ctx, consumer.Subjects(newest))
	if err != nil {
		return nil, err
	}
	versions := make(map[string]int64, len(known))
	for code, p := range known {
		versions[code] = p.Version
	}
	behind := consumer.Behind(newest, versions)
	found, err := f.catalog.Products(ctx, behind)
	if err != nil {
		return nil, err
	}
	copies, err := copiesOf(found)
	if err != nil {
		return nil, err
	}
	offered := make(map[string]bool, len(copies))
	for _, p := range copies {
		offered[p.SKU] = true
	}
	for _, code := range behind {
		if !offered[code] {
			gone := known[code]
			gone.SKU, gone.Version, gone.Withdrawn = code, newest[code].Version, true
			copies = append(copies, gone)
		}
	}
	return copies, nil
}

// Apply keeps the copies.
func (f *priceFollower) Apply(_ context.Context, tx consumer.Tx, _ []events.Event, copies []Price) error {
	return f.store.keepPrices(tx, copies)
}

// List names every product that catalog offers, and the copies of those it offers
// no more.
func (f *priceFollower) List(ctx context.Context) iter.Seq2[events.Event, error] {
	offered := consumer.Named(f.catalog.AllProducts(ctx), func(p catalogclient.Product) events.Event {
		return events.ProductChanged(p.Sku, p.Version)
	})
	return consumer.Gone(offered, func() (map[string]int64, error) { return f.store.offered(ctx) }, events.ProductWithdrawn)
}

func copiesOf(products []catalogclient.Product) ([]Price, error) {
	copies := make([]Price, len(products))
	for i, p := range products {
		price, err := money.Parse(p.Price.Amount, p.Price.Currency)
		if err != nil {
			return nil, fmt.Errorf("price of %s: %w", p.Sku, err)
		}
		copies[i] = Price{SKU: p.Sku, Title: p.Title, PriceMinor: price.Minor, Currency: price.Currency, Version: p.Version}
	}
	return copies, nil
}
