package stockcopy

import (
	"context"
	"iter"

	"gorm.io/gorm"

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

// Follower is a consumer.Handler that keeps the copies.
type Follower struct {
	DB        *gorm.DB
	Inventory Source
	// Changed is told what changed, in SKU order, inside the transaction.
	Changed func(ctx context.Context, tx consumer.Tx, changes []Change) error
}

// Types returns the event types of inventory's stream that a Follower handles.
func Types() []string { return []string{events.InventorySkuProcessed} }

// Fetch asks inventory for the SKUs whose copies are behind. One that inventory
// does not have any more is a fact, not a fault: its copy goes.
func (f *Follower) Fetch(ctx context.Context, batch []events.Event) ([]Copy, error) {
	newest := consumer.Newest(batch)
	known, err := versions(f.DB.WithContext(ctx).Where("sku IN ?", consumer.Subjects(newest)))
	if err != nil {
		return nil, err
	}
	behind := consumer.Behind(newest, known)
	found, err := f.Inventory.SKUs(ctx, behind)
	if err != nil {
		return nil, err
	}
	return copiesOf(behind, found), nil
}

// copiesOf returns a copy of each SKU named, with version 0 if it was not found.
func copiesOf(codes []string, found []inventoryclient.Sku) []Copy {
	stock := make(map[string]inventoryclient.Sku, len(found))
	for _, s := range found {
		stock[s.Code] = s
	}
	copies := make([]Copy, len(codes))
	for i, code := range codes {
		copies[i] = Copy{SKU: code, Quantity: stock[code].Available, Version: stock[code].Version}
	}
	return copies
}

// Apply writes the copies that are newer and tells of those that changed.
func (f *Follower) Apply(ctx context.Context, tx consumer.Tx, batch []events.Event, fetched []Copy) error {
	changes, err := merge(tx, fetched)
	if err != nil || len(changes) == 0 {
		return err
	}
	newest := consumer.Newest(batch)
	for i, c := range changes {
		changes[i].Cause = newest[c.SKU]
	}
	return f.Changed(ctx, tx, changes)
}

// List names every SKU that inventory has, and the copies of those it has no more.
func (f *Follower) List(ctx context.Context) iter.Seq2[events.Event, error] {
	skus := consumer.Named(f.Inventory.AllSKUs(ctx), func(s inventoryclient.Sku) events.Event {
		return events.SkuProcessed(s.Code, s.Version)
	})
	return consumer.Gone(skus, func() (map[string]int64, error) { return versions(f.DB.WithContext(ctx)) }, events.SkuProcessed)
}
