package stockcopy

import (
	"context"
	"iter"

	"gorm.io/gorm"

	"quadrille/internal/platform/copies"
	"quadrille/pkg/consumer"
	"quadrille/pkg/events"
	inventoryclient "quadrille/services/inventory/client"
)

// Source is what is asked of inventory.
type Source interface {
	SKUs(ctx context.Context, codes []string) ([]inventoryclient.Sku, error)
	AllSKUs(ctx context.Context) iter.Seq2[inventoryclient.Sku, error]
}

// Change is a copy that changed: its quantity before and after, and the event
// that told of it. A SKU that was not known before had 0.
type Change struct {
	SKU           string
	Before, After int64
	Cause         events.Event
}

// Changed is told which copies changed, in SKU order, inside the transaction.
type Changed func(ctx context.Context, tx consumer.Tx, changes []Change) error

// Copies is the handler of inventory's stream that New returns.
type Copies = copies.Copies[inventoryclient.Sku, Copy]

// New returns a handler of inventory's stream that keeps the copies on conn. A SKU that
// inventory does not have any more loses its copy.
func New(conn *gorm.DB, inventory Source, changed Changed) *Copies {
	return &Copies{
		Get: inventory.SKUs, All: inventory.AllSKUs, Gone: events.SkuProcessed, Store: &store{db: conn, changed: changed},
		Named: func(s inventoryclient.Sku) events.Event { return events.SkuProcessed(s.Code, s.Version) },
		Copy: func(s inventoryclient.Sku) (Copy, error) {
			return Copy{SKU: s.Code, Quantity: s.Available, Version: s.Version}, nil
		},
	}
}

// Types returns the types of the events that change a copy.
func Types() []string { return []string{events.InventorySkuProcessed} }
