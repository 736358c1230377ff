package inventory

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"gorm.io/gorm"
	"pgregory.net/rapid"

	"quadrille/internal/platform/db"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/events"
	salesclient "quadrille/services/sales/client"
)

// shop is a sales at the end of its history.
type shop map[string]salesclient.Order

func (s shop) Orders(_ context.Context, ids []string) (found []salesclient.Order, err error) {
	for _, id := range ids {
		found = append(found, s[id])
	}
	return found, nil
}

func (s shop) AllOrders(context.Context) iter.Seq2[salesclient.Order, error] {
	return func(yield func(salesclient.Order, error) bool) {
		for _, o := range s {
			if !yield(o, nil) {
				return
			}
		}
	}
}

// history draws orders that went through their lives, and the events of it. There
// is stock enough for all: who gets the last unit is decided by who comes first.
func history(t *rapid.T) (sales shop, told []events.Event) {
	sales = shop{}
	next := map[salesclient.OrderStatus][]salesclient.OrderStatus{
		"":                    {salesclient.Placed},
		salesclient.Placed:    {salesclient.Confirmed, salesclient.Cancelled},
		salesclient.Confirmed: {salesclient.Cancelled, salesclient.Shipped},
	}
	for range rapid.IntRange(1, 25).Draw(t, "steps") {
		id := rapid.SampledFrom([]string{"o1", "o2", "o3", "o4", "o5"}).Draw(t, "order")
		o := sales[id]
		if len(next[o.Status]) == 0 {
			continue
		}
		if o.Version == 0 {
			o.Id, o.Lines = id, []salesclient.OrderLine{
				{Sku: "A", Quantity: rapid.Int64Range(1, 5).Draw(t, "a")}, {Sku: "B", Quantity: rapid.Int64Range(1, 5).Draw(t, "b")},
			}
		}
		o.Status = rapid.SampledFrom(next[o.Status]).Draw(t, "status")
		o.Version++
		sales[id] = o
		if o.Status != salesclient.Confirmed { // which inventory does not listen to
			told = append(told, events.OrderChanged("sales.order_"+string(o.Status), id, o.Version))
		}
	}
	return sales, told
}

func TestAllocationsConverge(t *testing.T) {
	conn := dbtest.SQLite(t, "inventory", migrations)
	rapid.Check(t, func(t *rapid.T) {
		sales, told := history(t)
		want := deliver(t, conn, sales, [][]events.Event{told})
		anyhow := append([]events.Event(nil), told...)
		for range rapid.IntRange(0, 8).Draw(t, "twice") {
			anyhow = append(anyhow, rapid.SampledFrom(told).Draw(t, "again"))
		}
		anyhow = rapid.Permutation(anyhow).Draw(t, "order")
		var batches [][]events.Event
		for len(anyhow) > 0 {
			n := rapid.IntRange(1, len(anyhow)).Draw(t, "batch")
			batches, anyhow = append(batches, anyhow[:n]), anyhow[n:]
		}
		if got := deliver(t, conn, sales, batches); got != want {
			t.Fatalf("in order: %s\nanyhow:   %s", want, got)
		}
	})
}

// deliver hands batches to an inventory with plenty in stock and returns what
// comes of it.
func deliver(t *rapid.T, conn *gorm.DB, sales shop, batches [][]events.Event) (state string) {
	ctx := context.Background()
	for _, table := range []string{"allocation_lines", "allocations", "movements", "outbox", "skus"} {
		if err := conn.Exec("DELETE FROM " + table).Error; err != nil {
			t.Fatal(err)
		}
	}
	s := &store{db: conn, now: db.Now}
	for _, sku := range []string{"A", "B"} {
		if _, _, err := s.Record(ctx, Movement{Kind: Receipt, ExternalID: sku, SKU: sku, Quantity: 1000}); err != nil {
			t.Fatal(err)
		}
	}
	follower := orderCopies(s, sales)
	for _, batch := range batches {
		orders, err := follower.Fetch(ctx, batch)
		if err == nil {
			err = conn.Transaction(func(tx *gorm.DB) error { return follower.Apply(ctx, tx, batch, orders) })
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	skus, err := s.SKUs(ctx, nil, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range skus {
		state += fmt.Sprintf("%s: %d on hand, %d reserved, %d shipped; ", k.Code, k.OnHand, k.Reserved, k.Shipped)
	}
	allocations, err := s.Allocations(ctx, nil, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range allocations {
		state += fmt.Sprintf("%s %s; ", a.OrderID, a.Status)
	}
	return state
}

// However few of the events came, taking what List names ends where all of them
// do.
func TestListBringsAllocationsUpToDate(t *testing.T) {
	conn := dbtest.SQLite(t, Name, migrations)
	rapid.Check(t, func(t *rapid.T) {
		sales, told := history(t)
		if len(told) == 0 {
			return
		}
		came := rapid.SliceOfDistinct(rapid.SampledFrom(told), func(e events.Event) string { return e.ID }).Draw(t, "came")
		var listed []events.Event
		for e, err := range orderCopies(nil, sales).List(context.Background()) {
			if err != nil {
				t.Fatal(err)
			}
			listed = append(listed, e)
		}
		got := deliver(t, conn, sales, [][]events.Event{came, listed})
		if want := deliver(t, conn, sales, [][]events.Event{told}); got != want {
			t.Fatalf("list ends in %s\nwant %s", got, want)
		}
	})
}
