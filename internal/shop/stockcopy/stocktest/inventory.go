// Package stocktest replaces inventory in tests of services that copy its stock.
package stocktest

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"

	"gorm.io/gorm"

	"quadrille/internal/shop/stockcopy"
	"quadrille/pkg/dbtx"
	"quadrille/pkg/events"
	inventoryclient "quadrille/services/inventory/client"
)

// Inventory is a fake inventory that maps codes to SKUs. It is not safe for concurrent use.
type Inventory map[string]inventoryclient.Sku

// Set sets the available quantity of a SKU and returns the event of the change.
func (i Inventory) Set(code string, quantity int64) events.Event {
	s := i[code]
	s.Code, s.Available, s.OnHand = code, quantity, quantity
	s.Version++
	i[code] = s
	return events.SkuProcessed(code, s.Version)
}

// SKUs returns the SKUs with the codes. It omits unknown codes.
func (i Inventory) SKUs(_ context.Context, codes []string) (found []inventoryclient.Sku, err error) {
	for _, code := range codes {
		if s, ok := i[code]; ok {
			found = append(found, s)
		}
	}
	return found, nil
}

// AllSKUs iterates over all SKUs in the order of their codes.
func (i Inventory) AllSKUs(context.Context) iter.Seq2[inventoryclient.Sku, error] {
	return func(yield func(inventoryclient.Sku, error) bool) {
		for _, code := range slices.Sorted(maps.Keys(i)) {
			if !yield(i[code], nil) {
				return
			}
		}
	}
}

// Deliver calls f with a batch, as a consumer does: Fetch, then Apply in a transaction on conn.
func Deliver(ctx context.Context, conn *gorm.DB, f *stockcopy.Copies, batch ...events.Event) error {
	fetched, err := f.Fetch(ctx, batch)
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	return dbtx.Run(conn.WithContext(ctx), func(tx *gorm.DB) error { return f.Apply(ctx, tx, batch, fetched) })
}

// Events returns one event for the current version of each SKU.
func (i Inventory) Events() []events.Event {
	published := make([]events.Event, 0, len(i))
	for _, code := range slices.Sorted(maps.Keys(i)) {
		published = append(published, events.SkuProcessed(code, i[code].Version))
	}
	return published
}
