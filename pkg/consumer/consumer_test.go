package consumer_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/bus"
	"quadrille/pkg/bus/sqlitelog"
	"quadrille/pkg/consumer"
	"quadrille/pkg/events"
	"quadrille/pkg/fault"
	"quadrille/pkg/restclient"
)

// tally is a consumer that counts, in its own database, how often each event took
// effect; its steps can be made to fail.
type tally struct {
	mu           sync.Mutex
	fetch, apply func() error
}

func (c *tally) set(fetch, apply func() error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fetch, c.apply = fetch, apply
}

func (c *tally) step(which func() func() error) error {
	c.mu.Lock()
	f := which()
	c.mu.Unlock()
	if f == nil {
		return nil
	}
	return f()
}

func (c *tally) Fetch(context.Context, []events.Event) (int, error) {
	return 0, c.step(func() func() error { return c.fetch })
}

func (c *tally) Apply(_ context.Context, tx consumer.Tx, batch []events.Event, _ int) error {
	for _, e := range batch {
		if err := tx.Exec("INSERT INTO effects (id, n) VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET n = effects.n + 1", e.ID).Error; err != nil {
			return err
		}
	}
	return c.step(func() func() error { return c.apply })
}

func effectTables() fstest.MapFS {
	const table = "-- +goose Up\nCREATE TABLE effects (id text NOT NULL PRIMARY KEY, n integer NOT NULL);\n"
	return fstest.MapFS{
		"migrations/postgres/00001_effects.sql": {Data: []byte(table)},
		"migrations/sqlite/00001_effects.sql":   {Data: []byte(table)},
	}
}

// onEach runs test over every database, with an embedded log of its own.
func onEach(t *testing.T, test func(t *testing.T, conn *gorm.DB, log bus.Bus)) {
	t.Helper()
	dbtest.Each(t, "tally", effectTables(), func(t *testing.T, conn *gorm.DB) {
		log, err := sqlitelog.Open(sqlitelog.Config{Path: filepath.Join(t.TempDir(), "log.db")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = log.Close() })
		test(t, conn, log)
	})
}

func tell(t *testing.T, log bus.Bus, first, n int) {
	t.Helper()
	messages := make([]bus.Message, n)
	for i := range messages {
		e := events.SkuProcessed(fmt.Sprint("A", first+i), 1)
		body, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		messages[i] = bus.Message{ID: e.ID, Type: e.Type, Body: body}
	}
	if err := log.Publish(t.Context(), "inventory", messages); err != nil {
		t.Fatal(err)
	}
}

func reader(t *testing.T, conn *gorm.DB, log bus.Bus, c *tally, types ...string) *consumer.Consumer {
	t.Helper()
	r, err := consumer.NewConverging(consumer.Config{
		Bus: log, DB: conn, Subscriber: "tally", Stream: "inventory", Types: types, Batch: 10, Log: slog.New(slog.DiscardHandler),
	}, c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// effects returns the number of events that took effect, and of the most frequent one's
// effects.
func effects(t *testing.T, conn *gorm.DB) (events, most int) {
	t.Helper()
	if err := conn.Raw("SELECT COUNT(*), COALESCE(MAX(n), 0) FROM effects").Row().Scan(&events, &most); err != nil {
		t.Fatal(err)
	}
	return events, most
}

func once(t *testing.T, conn *gorm.DB, want int) {
	t.Helper()
	if got, most := effects(t, conn); got != want || want > 0 && most != 1 {
		t.Fatalf("%d events took effect, one of them %d times; want %d, once each", got, most, want)
	}
}

// refused returns the error of a refused connection.
func refused() error {
	_, err := restclient.Read[int](http.Get("http://127.0.0.1:1/")) //nolint:noctx,bodyclose // there is no answer
	return err
}

func TestEffectAndPositionCommitTogether(t *testing.T) {
	onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
		c := &tally{}
		r := reader(t, conn, log, c)
		tell(t, log, 0, 25)
		if err := r.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		once(t, conn, 10)
		for name, fail := range map[string]func(){
			"fetch: 503":      func() { c.set(func() error { return fault.FromResponse(503, "", nil) }, nil) },
			"fetch: 429":      func() { c.set(func() error { return fault.FromResponse(429, "", nil) }, nil) },
			"fetch: refused":  func() { c.set(refused, nil) },
			"fetch: too late": func() { c.set(func() error { return context.DeadlineExceeded }, nil) },
			"apply: gone":     func() { c.set(nil, func() error { return driver.ErrBadConn }) },
			"context ended":   func() { c.set(func() error { return context.Canceled }, nil) },
		} {
			fail()
			if err := r.RunOnce(t.Context()); err == nil {
				t.Fatalf("%s: no error", name)
			}
			once(t, conn, 10)
		}
		c.set(nil, nil)
		// Another process, after a crash: it goes on where the database says.
		other := reader(t, conn, log, c)
		for range 2 {
			if err := other.RunOnce(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		once(t, conn, 25)
		if s := other.Status(t.Context()); s.Lag != 0 || s.State != consumer.StateReading || s.Err != "" {
			t.Errorf("status is %+v", s)
		}
	})
}

// Two instances that read the same batch: the second one finds the position
// moved, and its effect is rolled back.
func TestSecondInstanceIsFenced(t *testing.T) {
	onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
		tell(t, log, 0, 20)
		c := &tally{}
		one := reader(t, conn, log, c)
		if err := one.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		// two holds the second batch while one commits it.
		second := &tally{}
		second.set(func() error {
			second.set(nil, nil)
			return one.RunOnce(t.Context())
		}, nil)
		two := reader(t, conn, log, second)
		if err := two.RunOnce(t.Context()); err == nil {
			t.Fatal("both instances committed one batch")
		}
		once(t, conn, 20)
	})
}

func TestLosesNothingWhileFailing(t *testing.T) {
	onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
		c, n := &tally{}, 0
		c.set(func() error { // every third call-back fails
			if n++; n%3 == 0 {
				return fault.New(fault.Unavailable, "away", "503")
			}
			return nil
		}, nil)
		r := reader(t, conn, log, c)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		for i := range 20 {
			tell(t, log, 10*i, 10)
		}
		deadline := time.Now().Add(30 * time.Second)
		for got := 0; got < 200; got, _ = effects(t, conn) {
			if time.Now().After(deadline) {
				t.Fatalf("%d of 200 events took effect", got)
			}
			time.Sleep(5 * time.Millisecond)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		once(t, conn, 200)
	})
}

func TestSkipsOtherTypes(t *testing.T) {
	onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
		tell(t, log, 0, 10)
		c := &tally{}
		c.set(func() error { return errors.New("was asked") }, nil)
		r := reader(t, conn, log, c, events.InventoryOrderAllocated)
		if err := r.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		once(t, conn, 0)
		if s := r.Status(t.Context()); s.Lag != 0 {
			t.Errorf("the position did not move on: %+v", s)
		}
	})
}
