package catalog

import (
	"context"
	"fmt"
	"testing"

	"gorm.io/gorm"
	"pgregory.net/rapid"

	"quadrille/internal/db"
	"quadrille/internal/db/dbtest"
	"quadrille/pkg/events"
	inventoryclient "quadrille/services/inventory/client"
)

// owner is an inventory at the end of its history.
type owner map[string]inventoryclient.Sku

func (o owner) SKUs(_ context.Context, codes []string) (found []inventoryclient.Sku, err error) {
	for _, code := range codes {
		found = append(found, o[code])
	}
	return found, nil
}

// However the events come, products end up showing what inventory has.
func TestProductsConverge(t *testing.T) {
	conn := dbtest.SQLite(t, "catalog", migrations)
	rapid.Check(t, func(t *rapid.T) {
		inventory, told := owner{}, []events.Event(nil)
		for range rapid.IntRange(1, 20).Draw(t, "changes") {
			code := rapid.SampledFrom([]string{"A", "B", "C"}).Draw(t, "sku")
			s := inventory[code]
			s.Code, s.Version, s.Available = code, s.Version+1, rapid.Int64Range(0, 2).Draw(t, "available")
			inventory[code] = s
			told = append(told, events.SkuProcessed(code, s.Version))
		}
		want := deliver(t, conn, inventory, told, len(told))
		again := append(append([]events.Event(nil), told...), told[:len(told)/2]...)
		got := deliver(t, conn, inventory, rapid.Permutation(again).Draw(t, "order"), rapid.IntRange(1, 5).Draw(t, "batch"))
		if got != want {
			t.Fatalf("in order: %s\nanyhow:   %s", want, got)
		}
	})
}

// deliver hands the events, size at a time, to a catalog that offers two of the
// SKUs, and returns what it shows.
func deliver(t *rapid.T, conn *gorm.DB, inventory owner, told []events.Event, size int) (state string) {
	ctx := context.Background()
	for _, table := range []string{"products", "stock", "outbox"} {
		if err := conn.Exec("DELETE FROM " + table).Error; err != nil {
			t.Fatal(err)
		}
	}
	s := &store{db: conn, now: db.Now}
	service := &Service{store: s, wake: func() {}}
	for _, sku := range []string{"A", "B"} {
		if _, _, err := service.Put(ctx, sku, Terms{Title: sku}, func(int64) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	follower := stockFollower(s, inventory)
	for start := 0; start < len(told); start += size {
		batch := told[start:min(start+size, len(told))]
		fetched, err := follower.Fetch(ctx, batch)
		if err == nil {
			err = conn.Transaction(func(tx *gorm.DB) error { return follower.Apply(ctx, tx, batch, fetched) })
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	products, err := s.Products(ctx, Query{}, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range products {
		state += fmt.Sprintf("%s shows %d at version %d; ", p.SKU, p.Quantity, p.Version)
	}
	return state
}
