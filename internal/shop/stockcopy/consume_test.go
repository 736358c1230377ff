package stockcopy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"gorm.io/gorm"
	"pgregory.net/rapid"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/internal/shop/stockcopy"
	"quadrille/internal/shop/stockcopy/stocktest"
	"quadrille/pkg/consumer"
	"quadrille/pkg/events"
	inventoryclient "quadrille/services/inventory/client"
)

func tables() fstest.MapFS {
	const stock = "-- +goose Up\nCREATE TABLE stock (sku text NOT NULL PRIMARY KEY, quantity bigint NOT NULL, version bigint NOT NULL, updated_at %s NOT NULL);\n"
	return fstest.MapFS{
		"migrations/sqlite/00001_stock.sql":   {Data: fmt.Appendf(nil, stock, "datetime")},
		"migrations/postgres/00001_stock.sql": {Data: fmt.Appendf(nil, stock, "timestamptz")},
	}
}

// follower returns a handler that keeps copies on conn and appends the changes to *changes.
func follower(conn *gorm.DB, inventory stockcopy.Source, changes *[]stockcopy.Change) *stockcopy.Copies {
	return stockcopy.New(conn, inventory, func(_ context.Context, _ consumer.Tx, c []stockcopy.Change) error {
		*changes = append(*changes, c...)
		return nil
	})
}

// kept returns the copies as text, each as SKU=quantity@version.
func kept(conn *gorm.DB) string {
	copies, err := stockcopy.List(context.Background(), conn, nil, "", 100)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, c := range copies {
		fmt.Fprintf(&b, "%s=%d@%d ", c.SKU, c.Quantity, c.Version)
	}
	return b.String()
}

func checkKept(t *testing.T, conn *gorm.DB, want string) {
	t.Helper()
	if got := kept(conn); got != want {
		t.Errorf("got copies %q, want %q", got, want)
	}
}

// Events in any order, with duplicates and in any batches give the copies of the final
// inventory.
func TestCopiesConverge(t *testing.T) {
	conn := dbtest.SQLite(t, "copy", tables())
	rapid.Check(t, func(t *rapid.T) {
		inventory, history := stocktest.History(t, "A", "B", "C", "D")
		want := converge(t, conn, inventory, [][]events.Event{history})
		got := converge(t, conn, inventory, stocktest.Shuffled(t, history))
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

// converge delivers batches to a follower with empty tables and returns the copies.
func converge(t *rapid.T, conn *gorm.DB, inventory stockcopy.Source, batches [][]events.Event) string {
	if err := conn.Exec("DELETE FROM stock").Error; err != nil {
		t.Fatal(err)
	}
	f := follower(conn, inventory, new([]stockcopy.Change))
	for _, batch := range batches {
		if err := stocktest.Deliver(context.Background(), conn, f, batch...); err != nil {
			t.Fatal(err)
		}
	}
	return kept(conn)
}

// Consuming the events of List gives the copies of the final inventory, whichever events were
// lost, and removes the copies of SKUs that inventory no longer has.
func TestListBringsCopiesUpToDate(t *testing.T) {
	conn := dbtest.SQLite(t, "copy", tables())
	rapid.Check(t, func(t *rapid.T) {
		inventory, history := stocktest.History(t, "A", "B", "C", "D")
		came := rapid.SliceOfDistinct(rapid.SampledFrom(history), func(e events.Event) string { return e.ID }).Draw(t, "came")
		converge(t, conn, inventory, [][]events.Event{came})
		delete(inventory, "D")
		f := follower(conn, inventory, new([]stockcopy.Change))
		for e, err := range f.List(context.Background()) {
			if err == nil {
				err = stocktest.Deliver(context.Background(), conn, f, e)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		got := kept(conn)
		if want := converge(t, conn, inventory, [][]events.Event{inventory.Events()}); got != want {
			t.Fatalf("list ends in %s, want %s", got, want)
		}
	})
}

func TestCallsChangedWithTheChanges(t *testing.T) {
	dbtest.Each(t, "copy", tables(), func(t *testing.T, conn *gorm.DB) {
		var changes []stockcopy.Change
		inventory := stocktest.Inventory{}
		f := follower(conn, inventory, &changes)
		b, a, none := inventory.Set("B", 5), inventory.Set("A", 2), inventory.Set("C", 0)
		again, more := inventory.Set("B", 5), inventory.Set("A", 3)
		for _, batch := range [][]events.Event{{b, a, none}, {more, again}, {b}} {
			if err := stocktest.Deliver(t.Context(), conn, f, batch...); err != nil {
				t.Fatal(err)
			}
		}
		checkKept(t, conn, "A=3@2 B=5@2 C=0@1 ")
		want := []stockcopy.Change{{SKU: "A", After: 3, Cause: a}, {SKU: "B", After: 5, Cause: b}}
		if fmt.Sprint(changes) != fmt.Sprint(want) {
			t.Errorf("got changes %v, want %v", changes, want)
		}
		changes = nil
		less, same := inventory.Set("A", 1), inventory.Set("C", 0)
		if err := stocktest.Deliver(t.Context(), conn, f, same, less); err != nil {
			t.Fatal(err)
		}
		checkKept(t, conn, "A=1@3 B=5@2 C=0@2 ")
		if len(changes) != 1 || changes[0].Before != 3 || changes[0].After != 1 || changes[0].Cause.ID != less.ID {
			t.Errorf("got changes %v", changes)
		}
	})
}

// An outdated response does not overwrite a newer copy.
func TestAnOlderCopyNeverOverwritesANewerOne(t *testing.T) {
	dbtest.Each(t, "copy", tables(), func(t *testing.T, conn *gorm.DB) {
		var changes []stockcopy.Change
		inventory := stocktest.Inventory{}
		f := follower(conn, inventory, &changes)
		first := []events.Event{inventory.Set("A", 1)}
		fetched, err := f.Fetch(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		if err := stocktest.Deliver(t.Context(), conn, f, inventory.Set("A", 9)); err != nil {
			t.Fatal(err)
		}
		if err := conn.Transaction(func(tx *gorm.DB) error { return f.Apply(t.Context(), tx, first, fetched) }); err != nil {
			t.Fatal(err)
		}
		checkKept(t, conn, "A=9@2 ")
		if len(changes) != 1 {
			t.Errorf("got changes %v", changes)
		}
	})
}

// counting is an Inventory that counts the SKUs in the calls.
type counting struct {
	stocktest.Inventory

	fetched int
}

func (c *counting) SKUs(ctx context.Context, codes []string) ([]inventoryclient.Sku, error) {
	c.fetched += len(codes)
	return c.Inventory.SKUs(ctx, codes)
}

func TestFetchSkipsCurrentCopies(t *testing.T) {
	dbtest.Each(t, "copy", tables(), func(t *testing.T, conn *gorm.DB) {
		inventory := &counting{Inventory: stocktest.Inventory{}}
		f := follower(conn, inventory, new([]stockcopy.Change))
		old := inventory.Set("A", 1)
		newer, other := inventory.Set("A", 2), inventory.Set("B", 1)
		for _, batch := range [][]events.Event{{old, newer}, {newer}, {old, other}} {
			if err := stocktest.Deliver(t.Context(), conn, f, batch...); err != nil {
				t.Fatal(err)
			}
		}
		if inventory.fetched != 2 {
			t.Errorf("fetched %d SKUs, want 2", inventory.fetched)
		}
	})
}

// The copy of a SKU that inventory no longer has is removed. The SKU may come back.
func TestRemovesCopiesOfDeletedSKUs(t *testing.T) {
	dbtest.Each(t, "copy", tables(), func(t *testing.T, conn *gorm.DB) {
		var changes []stockcopy.Change
		inventory := stocktest.Inventory{}
		f := follower(conn, inventory, &changes)
		if err := stocktest.Deliver(t.Context(), conn, f, inventory.Set("A", 4), inventory.Set("B", 1)); err != nil {
			t.Fatal(err)
		}
		last := inventory.Set("A", 4)
		delete(inventory, "A")
		for range 2 {
			if err := stocktest.Deliver(t.Context(), conn, f, last); err != nil {
				t.Fatal(err)
			}
		}
		checkKept(t, conn, "B=1@1 ")
		if len(changes) != 3 || changes[2].SKU != "A" || changes[2].Before != 4 || changes[2].After != 0 {
			t.Errorf("got changes %v", changes)
		}
		if err := stocktest.Deliver(t.Context(), conn, f, inventory.Set("A", 2)); err != nil {
			t.Fatal(err)
		}
		checkKept(t, conn, "A=2@1 B=1@1 ")
	})
}

// An error of Changed rolls back the copies, too.
func TestFailedChangeRollsBackTheCopy(t *testing.T) {
	dbtest.Each(t, "copy", tables(), func(t *testing.T, conn *gorm.DB) {
		refused := errors.New("refused")
		inventory := stocktest.Inventory{}
		f := stockcopy.New(conn, inventory, func(context.Context, consumer.Tx, []stockcopy.Change) error { return refused })
		if err := stocktest.Deliver(t.Context(), conn, f, inventory.Set("A", 4)); !errors.Is(err, refused) {
			t.Fatalf("got %v", err)
		}
		checkKept(t, conn, "")
	})
}

// A copy that Lock inserted at version 0 is not listed, and the first real copy replaces it.
func TestLockInsertsAMissingCopy(t *testing.T) {
	dbtest.Each(t, "copy", tables(), func(t *testing.T, conn *gorm.DB) {
		held := func() (c stockcopy.Copy) {
			err := conn.Transaction(func(tx *gorm.DB) (err error) {
				c, err = stockcopy.Lock(tx, "A")
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		if c := held(); c.Quantity != 0 || c.Version != 0 {
			t.Errorf("locked %+v", c)
		}
		checkKept(t, conn, "")
		inventory := stocktest.Inventory{}
		if err := stocktest.Deliver(t.Context(), conn, follower(conn, inventory, new([]stockcopy.Change)), inventory.Set("A", 4)); err != nil {
			t.Fatal(err)
		}
		if c := held(); c.Quantity != 4 || c.Version != 1 {
			t.Errorf("locked %+v", c)
		}
	})
}

func TestCopiesAreFilteredAndPaged(t *testing.T) {
	dbtest.Each(t, "copy", tables(), func(t *testing.T, conn *gorm.DB) {
		inventory, batch := stocktest.Inventory{}, []events.Event(nil)
		for i := range 700 { // more than one statement can write
			batch = append(batch, inventory.Set(fmt.Sprintf("S%03d", i), int64(i)))
		}
		if err := stocktest.Deliver(t.Context(), conn, follower(conn, inventory, new([]stockcopy.Change)), batch...); err != nil {
			t.Fatal(err)
		}
		for name, tc := range map[string]struct {
			skus  []string
			after string
			limit int
			want  []string
		}{
			"first":          {nil, "", 2, []string{"S000", "S001"}},
			"next":           {nil, "S001", 2, []string{"S002", "S003"}},
			"last":           {nil, "S698", 9, []string{"S699"}},
			"named":          {[]string{"S600", "none", "S005"}, "", 9, []string{"S005", "S600"}},
			"named, further": {[]string{"S600", "S005"}, "S005", 9, []string{"S600"}},
		} {
			copies, err := stockcopy.List(t.Context(), conn, tc.skus, tc.after, tc.limit)
			var got []string
			for _, c := range copies {
				got = append(got, c.SKU)
			}
			if err != nil || fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Errorf("%s: got %v (%v), want %v", name, got, err, tc.want)
			}
		}
	})
}
