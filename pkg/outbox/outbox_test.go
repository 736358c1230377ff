package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/bus"
	"quadrille/pkg/bus/sqlitelog"
	"quadrille/pkg/events"
	"quadrille/pkg/outbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fragile is a log that tests can make fail, before or after it has accepted a batch.
type fragile struct {
	bus.Bus

	mu            sync.Mutex
	before, after error
	taken         []string
}

func (f *fragile) Publish(_ context.Context, _ string, messages []bus.Message) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.before != nil {
		return f.before
	}
	for _, m := range messages {
		f.taken = append(f.taken, m.ID)
	}
	return f.after
}

// Verify finds every event that was published.
func (f *fragile) Verify(_ context.Context, _ string, newest bus.Published, _ bus.Position) (bus.Position, error) {
	return bus.Position{ID: newest.ID}, nil
}

func (f *fragile) set(before, after error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.after = before, after
}

func newRelay(t *testing.T, conn *gorm.DB, log bus.Bus, batch int) *outbox.Relay {
	t.Helper()
	r, err := outbox.NewRelay(outbox.RelayConfig{DB: conn, Bus: log, Stream: "sales", Batch: batch, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// commit commits n events and returns their IDs.
func commit(t *testing.T, conn *gorm.DB, first, n int) (ids []string) {
	t.Helper()
	news := make([]events.Event, n)
	for i := range news {
		news[i] = events.OrderChanged(events.SalesOrderPlaced, fmt.Sprint("o", first+i), 1)
		ids = append(ids, news[i].ID)
	}
	if err := conn.Transaction(func(tx *gorm.DB) error { return outbox.Append(t.Context(), tx, news...) }); err != nil {
		t.Fatal(err)
	}
	return ids
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("published %d events %v,\nwant %d %v", len(got), got, len(want), want)
	}
}

func unsent(t *testing.T, conn *gorm.DB) int64 {
	t.Helper()
	n, _, err := outbox.Depth(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRelayPublishesOnlyCommittedEvents(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		log := &fragile{}
		relay := newRelay(t, conn, log, 10)
		want := commit(t, conn, 0, 25)
		err := conn.Transaction(func(tx *gorm.DB) error {
			return errors.Join(outbox.Append(t.Context(), tx, events.SkuProcessed("A", 1)), errors.New("roll back"))
		})
		if err == nil {
			t.Fatal("the transaction was not rolled back")
		}
		for _, n := range []int{10, 10, 5, 0} {
			if sent, err := relay.RunOnce(t.Context()); sent != n || err != nil {
				t.Fatalf("sent %d, %v; want %d", sent, err, n)
			}
		}
		same(t, log.taken, want)
		feed, err := outbox.Feed(t.Context(), conn, 0, 100)
		if err != nil || len(feed) != 25 || unsent(t, conn) != 0 {
			t.Errorf("feed has %d events, %v; %d unsent", len(feed), err, unsent(t, conn))
		}
	})
}

// A batch that the log refused, or did not confirm, stays unsent and is published again in
// order.
func TestUnconfirmedEventsStayUnsent(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		log := &fragile{}
		relay := newRelay(t, conn, log, 100)
		want := commit(t, conn, 0, 5)
		for _, fault := range []func(){func() { log.set(bus.ErrUnavailable, nil) }, func() { log.set(nil, bus.ErrUnavailable) }} {
			fault()
			if sent, err := relay.RunOnce(t.Context()); sent != 0 || !errors.Is(err, bus.ErrUnavailable) {
				t.Fatalf("sent %d, %v", sent, err)
			}
			if n := unsent(t, conn); n != 5 {
				t.Fatalf("%d events are unsent, want 5", n)
			}
		}
		log.set(nil, nil)
		if sent, err := relay.RunOnce(t.Context()); sent != 5 || err != nil {
			t.Fatalf("sent %d, %v", sent, err)
		}
		same(t, log.taken, append(want, want...)) // at least once, in order each time
	})
}

func TestWakePublishesAtOnce(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		log, err := sqlitelog.Open(sqlitelog.Config{Path: filepath.Join(t.TempDir(), "log.db")})
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		relay, err := outbox.NewRelay(outbox.RelayConfig{DB: conn, Bus: log, Stream: "sales", Poll: time.Hour, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- relay.Run(ctx) }()
		s, err := log.Subscribe(t.Context(), "sales", bus.Position{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 5 { // with a poll of an hour, only Wake can publish them
			want := commit(t, conn, i, 1)
			relay.Wake()
			found, err := s.Next(t.Context(), 10)
			if err != nil || len(found) != 1 || found[0].ID != want[0] {
				t.Fatalf("got %+v, %v", found, err)
			}
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A transaction may commit after another one that appended events with higher IDs.
func TestLateCommitIsNotSkipped(t *testing.T) {
	t.Parallel()
	conn := dbtest.Postgres(t, "none", dbtest.NoTables())
	log := &fragile{}
	relay := newRelay(t, conn, log, 100)
	late := conn.Begin()
	first := events.SkuProcessed("LATE", 1)
	if err := outbox.Append(t.Context(), late, first); err != nil {
		t.Fatal(err)
	}
	want := commit(t, conn, 0, 3)
	if sent, err := relay.RunOnce(t.Context()); sent != 3 || err != nil {
		t.Fatalf("sent %d, %v", sent, err)
	}
	if err := late.Commit().Error; err != nil {
		t.Fatal(err)
	}
	if sent, err := relay.RunOnce(t.Context()); sent != 1 || err != nil {
		t.Fatalf("sent %d, %v", sent, err)
	}
	same(t, log.taken, append(want, first.ID))
}

func TestManyRelaysPublishOnceAndInOrder(t *testing.T) {
	t.Parallel()
	conn := dbtest.Postgres(t, "none", dbtest.NoTables())
	log := &fragile{}
	want := commit(t, conn, 0, 500)
	var working sync.WaitGroup
	for range 4 {
		relay := newRelay(t, conn, log, 20)
		working.Go(func() {
			for unsent(t, conn) > 0 {
				if _, err := relay.RunOnce(t.Context()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	working.Wait()
	same(t, log.taken, want)
}
