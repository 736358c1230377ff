package copies_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/copies"
	"quadrille/pkg/bus"
	"quadrille/pkg/bus/sqlitelog"
	"quadrille/pkg/consumer"
	"quadrille/pkg/events"
	"quadrille/pkg/fault"
)

// comparing returns a consumer of c's events that does not run, and a transact for Compare.
func comparing(t *testing.T, conn *gorm.DB, c *copies.Copies[thing, Thing]) (*consumer.Consumer, func(context.Context, func(consumer.Tx) error) error) {
	t.Helper()
	r, _, transact := comparingOn(t, conn, c)
	return r, transact
}

// comparingOn is like comparing and also returns the log of the owner's events.
func comparingOn(t *testing.T, conn *gorm.DB, c *copies.Copies[thing, Thing]) (*consumer.Consumer, *sqlitelog.Log, func(context.Context, func(consumer.Tx) error) error) {
	t.Helper()
	log, err := sqlitelog.Open(sqlitelog.Config{Path: filepath.Join(t.TempDir(), "log.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	r, err := consumer.NewConverging(consumer.Config{
		Bus: log, DB: conn, Subscriber: "things", Stream: "inventory", Batch: 2, CompareGrace: time.Millisecond, Log: slog.New(slog.DiscardHandler),
	}, c)
	if err != nil {
		t.Fatal(err)
	}
	return r, log, func(ctx context.Context, work func(consumer.Tx) error) error {
		return conn.WithContext(ctx).Transaction(work)
	}
}

func write(t *testing.T, conn *gorm.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if err := conn.Exec(s).Error; err != nil {
			t.Fatal(err)
		}
	}
}

func TestCompareRepairsWhatDiffers(t *testing.T) {
	each(t, func(t *testing.T, conn *gorm.DB, o *owner, c *copies.Copies[thing, Thing]) {
		for _, id := range []string{"a", "b", "c", "d", "e"} {
			deliver(t, conn, c, o.set(id, "one"))
		}
		deliver(t, conn, c, o.set("b", "two"))
		delete(o.things, "e")
		write(t, conn, "DELETE FROM things WHERE id = 'a'", "UPDATE things SET version = 1, name = 'one' WHERE id = 'b'",
			"UPDATE things SET version = 9, name = 'newer' WHERE id = 'c'")
		r, transact := comparing(t, conn, c)
		clear(o.calls)
		found, err := r.Compare(t.Context(), transact)
		if err != nil || found.Missing != 1 || found.Outdated != 2 || found.Repaired != 3 || found.Listed != 5 || len(found.Refused) != 0 {
			t.Errorf("found %+v, %v", found, err)
		}
		checkCopies(t, conn, "[{a one 1} {b two 2} {c newer 9} {d one 1}]")
		if o.calls["d"] > 0 || o.calls["c"] > 0 {
			t.Errorf("copies without a difference were fetched: %v", o.calls)
		}
		again, err := r.Compare(t.Context(), transact)
		if err != nil || again.Missing+again.Outdated+again.Repaired != 0 {
			t.Errorf("a second comparison found %+v, %v", again, err)
		}
	})
}

// What the owner refuses is named and stays; the rest is repaired.
func TestCompareNamesWhatIsRefused(t *testing.T) {
	each(t, func(t *testing.T, conn *gorm.DB, o *owner, c *copies.Copies[thing, Thing]) {
		o.set("a", "one")
		o.set("b", "one")
		odd := c.Copy
		c.Copy = func(th thing) (Thing, error) {
			if th.id == "b" {
				return Thing{}, errors.New("no copy of b")
			}
			return odd(th)
		}
		r, transact := comparing(t, conn, c)
		found, err := r.Compare(t.Context(), transact)
		if err != nil || found.Missing != 2 || found.Repaired != 1 || found.Refused["b"] == nil {
			t.Errorf("found %+v, %v", found, err)
		}
		if text := found.String(); !strings.Contains(text, "1 refused") {
			t.Errorf("text is %s", text)
		}
		checkCopies(t, conn, "[{a one 1}]")
	})
}

// A thing that breaks a rule in Apply is named and does not keep the others from being repaired.
func TestCompareNamesWhatApplyRefuses(t *testing.T) {
	each(t, func(t *testing.T, conn *gorm.DB, o *owner, c *copies.Copies[thing, Thing]) {
		for _, id := range []string{"a", "b", "c"} {
			o.set(id, "one")
		}
		c.Store = refusing{c.Store, "b"}
		r, transact := comparing(t, conn, c)
		found, err := r.Compare(t.Context(), transact)
		if err != nil || found.Missing != 3 || found.Repaired != 2 || found.Refused["b"] == nil || len(found.Refused) != 1 {
			t.Errorf("found %+v, %v", found, err)
		}
		checkCopies(t, conn, "[{a one 1} {c one 1}]")
	})
}

// refusing keeps no news with the ID.
type refusing struct {
	copies.Store[Thing]
	id string
}

func (r refusing) Keep(ctx context.Context, tx consumer.Tx, news copies.News[Thing]) error {
	for _, th := range news.Found {
		if th.ID == r.id {
			return fault.New(fault.Invalid, "refused", "%s breaks a rule", th.ID)
		}
	}
	return r.Store.Keep(ctx, tx, news)
}

// The owner becomes unavailable in the middle of its list, or a transaction is refused because
// the run lost its lease: nothing is half done, and the error says so.
func TestCompareEndsAtAnError(t *testing.T) {
	each(t, func(t *testing.T, conn *gorm.DB, o *owner, c *copies.Copies[thing, Thing]) {
		for _, id := range []string{"a", "b", "c"} {
			o.set(id, "one")
		}
		all := c.All
		c.All = func(ctx context.Context) iter.Seq2[thing, error] {
			return func(yield func(thing, error) bool) {
				n := 0
				for th := range all(ctx) {
					if n++; n == 3 {
						yield(thing{}, fault.New(fault.Unavailable, "unavailable", "503"))
						return
					}
					if !yield(th, nil) {
						return
					}
				}
			}
		}
		r, transact := comparing(t, conn, c)
		if _, err := r.Compare(t.Context(), transact); !fault.Is(err, fault.Unavailable) {
			t.Errorf("owner unavailable: got %v", err)
		}
		checkCopies(t, conn, "[]")
		c.All = all
		r, _ = comparing(t, conn, c)
		lost := errors.New("the run lost its lease")
		found, err := r.Compare(t.Context(), func(ctx context.Context, work func(consumer.Tx) error) error {
			return conn.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
				if err := work(tx); err != nil {
					return err
				}
				return lost
			})
		})
		if !errors.Is(err, lost) || found.Repaired != 0 {
			t.Errorf("lost lease: found %+v, %v", found, err)
		}
		checkCopies(t, conn, "[]")
	})
}

// A thing that changes during the comparison is no difference.
func TestCompareLeavesWhatIsUnderWay(t *testing.T) {
	each(t, func(t *testing.T, conn *gorm.DB, o *owner, c *copies.Copies[thing, Thing]) {
		news := o.set("a", "one")
		versions := c.Store
		looked := 0
		c.Store = hooked{versions, func() {
			if looked++; looked == 2 { // the event arrives after the list was read
				c.Store = versions
				deliver(t, conn, c, news)
			}
		}}
		r, transact := comparing(t, conn, c)
		found, err := r.Compare(t.Context(), transact)
		if err != nil || found.Listed != 1 || found.Missing+found.Outdated != 0 {
			t.Errorf("found %+v, %v", found, err)
		}
	})
}

// The copy of a thing that is gone is removed by the consumer during the comparison.
func TestCompareLeavesWhatTheConsumerRemoves(t *testing.T) {
	each(t, func(t *testing.T, conn *gorm.DB, o *owner, c *copies.Copies[thing, Thing]) {
		deliver(t, conn, c, o.set("a", "one"))
		delete(o.things, "a")
		versions := c.Store
		looked := 0
		c.Store = hooked{versions, func() {
			if looked++; looked == 2 {
				c.Store = versions
				deliver(t, conn, c, events.SkuProcessed("a", 2))
			}
		}}
		r, transact := comparing(t, conn, c)
		found, err := r.Compare(t.Context(), transact)
		if err != nil || looked != 2 || found.Missing+found.Outdated+found.Repaired != 0 {
			t.Errorf("found %+v after %d looks, %v", found, looked, err)
		}
	})
}

// What a consumer that is behind has not read yet is no difference.
func TestCompareWaitsForTheConsumer(t *testing.T) {
	each(t, func(t *testing.T, conn *gorm.DB, o *owner, c *copies.Copies[thing, Thing]) {
		news := o.set("a", "one")
		body, err := news.Encode()
		if err != nil {
			t.Fatal(err)
		}
		r, log, transact := comparingOn(t, conn, c)
		if err := log.Publish(t.Context(), "inventory", []bus.Message{{ID: news.ID, Body: body}}); err != nil {
			t.Fatal(err)
		}
		found, err := r.Compare(t.Context(), transact)
		if err == nil || !strings.Contains(err.Error(), "is behind") || found.Missing+found.Repaired != 0 {
			t.Errorf("before the event: found %+v, %v", found, err)
		}
		checkCopies(t, conn, "[]")
		if err := r.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		write(t, conn, "DELETE FROM things")
		if found, err = r.Compare(t.Context(), transact); err != nil || found.Missing != 1 || found.Repaired != 1 {
			t.Errorf("after the event: found %+v, %v", found, err)
		}
	})
}

// hooked calls before each look at versions by ID.
type hooked struct {
	copies.Store[Thing]
	before func()
}

func (h hooked) Versions(ctx context.Context, ids []string) (map[string]int64, error) {
	if ids != nil {
		h.before()
	}
	return h.Store.Versions(ctx, ids)
}

var _ consumer.Versioner = (*copies.Copies[thing, Thing])(nil)

// A handler without versions cannot be compared.
func TestCompareNeedsVersions(t *testing.T) {
	each(t, func(t *testing.T, conn *gorm.DB, _ *owner, c *copies.Copies[thing, Thing]) {
		r, transact := comparing(t, conn, c)
		if !r.Comparable() {
			t.Error("copies cannot be compared")
		}
		r, err := consumer.NewInOrder(consumer.Config{
			Bus: &sqlitelog.Log{}, DB: conn, Subscriber: "things", Stream: "inventory", Log: slog.New(slog.DiscardHandler),
		}, silent{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Compare(t.Context(), transact); err == nil || r.Comparable() {
			t.Error("a consumer in order is compared")
		}
	})
}

type silent struct{}

func (silent) Fetch(context.Context, []events.Event) (int, error)            { return 0, nil }
func (silent) Apply(context.Context, consumer.Tx, []events.Event, int) error { return nil }
