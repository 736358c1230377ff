package stockcopy_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"gorm.io/gorm"
	"pgregory.net/rapid"

	"quadrille/internal/db/dbtest"
	"quadrille/internal/stockcopy"
	"quadrille/pkg/bus"
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

func tables() fstest.MapFS {
	const stock = "-- +goose Up\nCREATE TABLE stock (sku text NOT NULL PRIMARY KEY, quantity bigint NOT NULL, version bigint NOT NULL, updated_at datetime NOT NULL);\n"
	return fstest.MapFS{"migrations/sqlite/00001_stock.sql": {Data: []byte(stock)}}
}

// Whatever order, duplication and batching the events come in, the copies end as
// they do in order, and as their owner is.
func TestCopiesConverge(t *testing.T) {
	conn := dbtest.SQLite(t, "copy", tables())
	rapid.Check(t, func(t *rapid.T) {
		inventory, history := owner{}, []events.Event(nil)
		for range rapid.IntRange(1, 30).Draw(t, "changes") {
			code := rapid.SampledFrom([]string{"A", "B", "C", "D"}).Draw(t, "sku")
			s := inventory[code]
			s.Code, s.Version, s.Available = code, s.Version+1, rapid.Int64Range(0, 3).Draw(t, "available")
			inventory[code] = s
			history = append(history, events.SkuProcessed(code, s.Version))
		}
		want := deliver(t, conn, inventory, [][]events.Event{history})
		got := deliver(t, conn, inventory, shuffled(t, history))
		if got != want {
			t.Fatalf("in order: %s\nshuffled: %s", want, got)
		}
		for code, s := range inventory {
			if want := fmt.Sprintf("%s=%d@%d ", code, s.Available, s.Version); !strings.Contains(got, want) {
				t.Fatalf("%s is missing in %s", want, got)
			}
		}
	})
}

// shuffled is the history in any order, with any duplication and any batching.
func shuffled(t *rapid.T, history []events.Event) (batches [][]events.Event) {
	told := append([]events.Event(nil), history...)
	for range rapid.IntRange(0, 10).Draw(t, "twice") {
		told = append(told, rapid.SampledFrom(history).Draw(t, "again"))
	}
	told = rapid.Permutation(told).Draw(t, "order")
	for len(told) > 0 {
		n := rapid.IntRange(1, len(told)).Draw(t, "batch")
		batches, told = append(batches, told[:n]), told[n:]
	}
	return batches
}

// deliver hands batches to a follower with empty tables and returns what it keeps.
func deliver(t *rapid.T, conn *gorm.DB, inventory owner, batches [][]events.Event) (kept string) {
	if err := conn.Exec("DELETE FROM stock").Error; err != nil {
		t.Fatal(err)
	}
	follower := &stockcopy.Follower{DB: conn, Inventory: inventory, Changed: func(context.Context, bus.Tx, []stockcopy.Change) error { return nil }}
	for _, batch := range batches {
		fetched, err := follower.Fetch(context.Background(), batch)
		if err == nil {
			err = conn.Transaction(func(tx *gorm.DB) error { return follower.Apply(context.Background(), tx, batch, fetched) })
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	copies, err := stockcopy.List(context.Background(), conn, nil, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range copies {
		kept += fmt.Sprintf("%s=%d@%d ", c.SKU, c.Quantity, c.Version)
	}
	return kept
}
