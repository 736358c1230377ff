package copies_test

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"testing"
	"testing/fstest"

	"gorm.io/gorm"

	"quadrille/internal/platform/copies"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/consumer"
	"quadrille/pkg/events"
)

// thing is a thing of the owner, Thing its copy.
type thing struct {
	id, name string
	version  int64
}

type Thing struct {
	ID      string `gorm:"primaryKey"`
	Name    string
	Version int64
}

func tables() fstest.MapFS {
	sql := []byte("-- +goose Up\nCREATE TABLE things (id text NOT NULL PRIMARY KEY, name text NOT NULL, version bigint NOT NULL);\n")
	return fstest.MapFS{
		"migrations/sqlite/00001_things.sql":   {Data: sql},
		"migrations/postgres/00001_things.sql": {Data: sql},
	}
}

// owner is a fake owner. It counts how often each thing is fetched.
type owner struct {
	things map[string]thing
	calls  map[string]int
}

// set sets the name of a thing and returns the event of the change.
func (o *owner) set(id, name string) events.Event {
	o.things[id] = thing{id: id, name: name, version: o.things[id].version + 1}
	return events.SkuProcessed(id, o.things[id].version)
}

func (o *owner) get(_ context.Context, ids []string) (found []thing, err error) {
	for _, id := range slices.Backward(ids) { // an owner may respond in any order
		o.calls[id]++
		if t, exists := o.things[id]; exists {
			found = append(found, t)
		}
	}
	return found, nil
}

func (o *owner) all(context.Context) iter.Seq2[thing, error] {
	return func(yield func(thing, error) bool) {
		for _, id := range slices.Sorted(maps.Keys(o.things)) {
			if !yield(o.things[id], nil) {
				return
			}
		}
	}
}

// each runs test on each database with copies of an empty owner.
func each(t *testing.T, test func(t *testing.T, conn *gorm.DB, o *owner, c *copies.Copies[thing, Thing])) {
	t.Helper()
	dbtest.Each(t, "things", tables(), func(t *testing.T, conn *gorm.DB) {
		o := &owner{things: map[string]thing{}, calls: map[string]int{}}
		test(t, conn, o, &copies.Copies[thing, Thing]{
			Get: o.get, All: o.all, Store: copies.Table[Thing]{DB: conn}, Gone: events.SkuProcessed,
			Named: func(t thing) events.Event { return events.SkuProcessed(t.id, t.version) },
			Copy:  func(t thing) (Thing, error) { return Thing{ID: t.id, Name: t.name, Version: t.version}, nil },
		})
	})
}

func apply(t *testing.T, conn *gorm.DB, c *copies.Copies[thing, Thing], batch []events.Event, news copies.News[Thing]) {
	t.Helper()
	if err := conn.Transaction(func(tx consumer.Tx) error { return c.Apply(t.Context(), tx, batch, news) }); err != nil {
		t.Fatal(err)
	}
}

func deliver(t *testing.T, conn *gorm.DB, c *copies.Copies[thing, Thing], batch ...events.Event) {
	t.Helper()
	news, err := c.Fetch(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, conn, c, batch, news)
}

func checkCopies(t *testing.T, conn *gorm.DB, want string) {
	t.Helper()
	var rows []Thing
	if err := conn.Order("id").Find(&rows).Error; err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(rows); got != want {
		t.Errorf("got copies %s, want %s", got, want)
	}
}

func TestKeepsCopiesOfTheOwner(t *testing.T) {
	each(t, func(t *testing.T, conn *gorm.DB, o *owner, c *copies.Copies[thing, Thing]) {
		b, a, newer := o.set("b", "bee"), o.set("a", "ant"), o.set("b", "bear")
		deliver(t, conn, c, b, a, newer)
		deliver(t, conn, c, a, b)
		checkCopies(t, conn, "[{a ant 1} {b bear 2}]")
		if o.calls["a"] != 1 || o.calls["b"] != 1 {
			t.Errorf("fetched each thing %v times, want once", o.calls)
		}
		gone := o.set("a", "ape")
		delete(o.things, "a")
		deliver(t, conn, c, gone)
		checkCopies(t, conn, "[{b bear 2}]")
	})
}

func TestKeepsNewerCopies(t *testing.T) {
	each(t, func(t *testing.T, conn *gorm.DB, o *owner, c *copies.Copies[thing, Thing]) {
		old := []events.Event{o.set("a", "ant")}
		news, err := c.Fetch(t.Context(), old)
		if err != nil {
			t.Fatal(err)
		}
		deliver(t, conn, c, o.set("a", "ape"))
		apply(t, conn, c, old, news)
		checkCopies(t, conn, "[{a ape 2}]")
	})
}

func TestResynchronisationRemovesCopiesOfDeletedThings(t *testing.T) {
	each(t, func(t *testing.T, conn *gorm.DB, o *owner, c *copies.Copies[thing, Thing]) {
		deliver(t, conn, c, o.set("a", "ant"), o.set("b", "bee"))
		o.set("b", "bear")
		o.set("c", "cat")
		delete(o.things, "a")
		for e, err := range c.List(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			deliver(t, conn, c, e)
		}
		checkCopies(t, conn, "[{b bear 2} {c cat 1}]")
	})
}
