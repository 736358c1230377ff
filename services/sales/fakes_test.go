package sales

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/pkg/fault"
	"quadrille/pkg/money"
	catalogclient "quadrille/services/catalog/client"
	inventoryclient "quadrille/services/inventory/client"
)

// fakeCatalog replaces catalog, which is another process, and returns the products in offers.
type fakeCatalog struct {
	mu     sync.Mutex
	offers map[string]catalogclient.Product
	down   bool
	calls  [][]string // the SKUs of each call
}

func (f *fakeCatalog) offer(code string, minor, version int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.offers == nil {
		f.offers = map[string]catalogclient.Product{}
	}
	f.offers[code] = catalogclient.Product{
		Sku: code, Title: "Title of " + code, Version: version,
		Price: catalogclient.Money{Amount: money.Money{Minor: minor, Currency: "GBP"}.Amount(), Currency: "GBP"},
	}
}

func (f *fakeCatalog) setDown(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

func (f *fakeCatalog) callCount() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.calls)
}

func (f *fakeCatalog) Products(_ context.Context, skus []string) ([]catalogclient.Product, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(skus) > 0 { // the real client makes no call without SKUs
		f.calls = append(f.calls, skus)
	}
	if f.down {
		return nil, fault.New(fault.Unavailable, "unreachable", "catalog is down")
	}
	var found []catalogclient.Product
	for _, code := range skus {
		if p, ok := f.offers[code]; ok {
			found = append(found, p)
		}
	}
	return found, nil
}

func (f *fakeCatalog) AllProducts(ctx context.Context) iter.Seq2[catalogclient.Product, error] {
	return func(yield func(catalogclient.Product, error) bool) {
		f.mu.Lock()
		codes := slices.Sorted(maps.Keys(f.offers))
		f.mu.Unlock()
		all, err := f.Products(ctx, codes)
		if err != nil {
			yield(catalogclient.Product{}, err)
		}
		for _, p := range all {
			if !yield(p, nil) {
				return
			}
		}
	}
}

// fakeInventory replaces inventory. It holds an allocation for each order ID.
type fakeInventory struct {
	allocations map[string]inventoryclient.Allocation
	calls       [][]string // the order IDs of each call
}

func (f *fakeInventory) Allocations(_ context.Context, orders []string) ([]inventoryclient.Allocation, error) {
	if len(orders) > 0 {
		f.calls = append(f.calls, orders)
	}
	var found []inventoryclient.Allocation
	for _, id := range orders {
		if a, ok := f.allocations[id]; ok {
			found = append(found, a)
		}
	}
	return found, nil
}

func serviceOn(t testing.TB, conn *gorm.DB, catalog productSource) *Service {
	t.Helper()
	return &Service{store: &store{db: conn, now: db.Now, timeout: 24 * time.Hour, reminder: 72 * time.Hour}, catalog: catalog, wake: func() {}}
}
