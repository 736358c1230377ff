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

// Source returns SKUs; inventory's client implements it.
type Source interface {
	SKUs(ctx context.Context, codes []string) ([]inventoryclient.Sku, error)
	AllSKUs(ctx context.Context) iter.Seq2[inventoryclient.Sku, error]
}

// Change is a change of a copy: its quantity before and after, and the event that caused it.
// Before is 0 if the SKU was unknown.
type Change struct {
	SKU           string
	Before, After int64
	Cause         events.Event
}

// Changed is called with the changed copies, sorted by SKU, inside their transaction tx.
type Changed func(ctx context.Context, tx consumer.Tx, changes []Change) error

// Copies is the handler of inventory's stream that New returns.
type Copies = copies.Copies[inventoryclient.Sku, Copy]

// New returns a handler of inventory's stream that keeps the copies on conn. It sets the copy
// of a SKU that inventory no longer has to version 0.
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
