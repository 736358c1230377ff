package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/bus"
	"quadrille/pkg/bus/sqlitelog"
	"quadrille/pkg/dbtx"
	"quadrille/pkg/outbox"
	"quadrille/pkg/outbox/outboxtest"
)

func ids(t *testing.T, conn *gorm.DB) (all []string) {
	t.Helper()
	for _, e := range outboxtest.Events(t, conn) {
		all = append(all, e.ID)
	}
	return all
}

func TestPruneDeletesOnlyOldSentEvents(t *testing.T) {
	dbtest.Each(t, "sales", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		old := commit(t, conn, 0, 25)
		lately := commit(t, conn, 25, 5)
		unsent := commit(t, conn, 30, 3)
		mark := func(first, last int, at time.Time) {
			t.Helper()
			if err := conn.Exec("UPDATE outbox SET sent_at = ? WHERE id BETWEEN ? AND ?", at.UTC(), first, last).Error; err != nil {
				t.Fatal(err)
			}
		}
		mark(1, 25, time.Now().Add(-2*time.Hour))
		mark(26, 30, time.Now())
		if err := conn.Exec("UPDATE outbox SET created_at = ? WHERE sent_at IS NULL", time.Now().Add(-24*time.Hour).UTC()).Error; err != nil {
			t.Fatal(err)
		}
		p, err := outbox.NewPruner(outbox.PruneConfig{DB: conn, Step: 10})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []int64{int64(len(old)), 0} {
			if n, err := p.RunOnce(t.Context(), time.Now().Add(-time.Hour), dbtx.On(conn)); err != nil || n != want {
				t.Fatalf("pruned %d, %v; want %d", n, err, want)
			}
		}
		same(t, ids(t, conn), append(append([]string(nil), lately...), unsent...))
	})
}

func TestPruneDoesNotBlockWriters(t *testing.T) {
	conn := dbtest.Postgres(t, "sales", dbtest.NoTables())
	commit(t, conn, 0, 20_000)
	if err := conn.Exec("UPDATE outbox SET sent_at = '2020-01-01'").Error; err != nil {
		t.Fatal(err)
	}
	p, err := outbox.NewPruner(outbox.PruneConfig{DB: conn, Step: 500})
	if err != nil {
		t.Fatal(err)
	}
	pruned := make(chan error, 1)
	go func() {
		_, err := p.RunOnce(context.WithoutCancel(t.Context()), time.Now().Add(-time.Hour), dbtx.On(conn))
		pruned <- err
	}()
	written := 0
	for ended := false; !ended; written++ {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		if err := conn.WithContext(ctx).Exec("SET lock_timeout = '500ms'").Error; err != nil {
			t.Fatal(err)
		}
		commit(t, conn.WithContext(ctx), 100_000+written, 1)
		cancel()
		select {
		case err := <-pruned:
			if err != nil {
				t.Fatal(err)
			}
			ended = true
		default:
		}
	}
	if left := len(ids(t, conn)); left != written {
		t.Errorf("%d rows are left, %d were written during the run", left, written)
	}
}

func history(t *testing.T, log bus.Bus) (found []string) {
	t.Helper()
	end, err := log.End(t.Context(), "sales")
	if err != nil || end.IsStart() {
		t.Fatalf("the end is %v, %v", end, err)
	}
	s, err := log.Subscribe(t.Context(), "sales", bus.Position{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for {
		batch, err := s.Next(t.Context(), 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range batch {
			if found = append(found, d.ID); d.Offset == end.Offset {
				return found
			}
		}
	}
}

// After a rebuild the history holds the events of the outbox in order, with the same IDs,
// whatever was in it before.
func TestRebuildPublishesWholeOutboxInOrder(t *testing.T) {
	dbtest.Each(t, "sales", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		log, err := sqlitelog.Open(sqlitelog.Config{Path: filepath.Join(t.TempDir(), "log.db")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = log.Close() })
		relay := newRelay(t, conn, log, 10)
		drain := func() {
			t.Helper()
			for {
				n, err := relay.RunOnce(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if n == 0 {
					return
				}
			}
		}
		all := commit(t, conn, 0, 37)
		drain()
		if err := log.Drop(t.Context(), "sales"); err != nil {
			t.Fatal(err)
		}
		all = append(all, commit(t, conn, 37, 3)...)
		drain() // a new history, of the newest events alone
		if n, err := relay.Rebuild(t.Context(), false); err != nil || n != 40 {
			t.Fatalf("rebuilds %d events, %v", n, err)
		}
		drain()
		same(t, history(t, log), all)

		// Without its first events, the outbox has fewer than the history.
		if err := conn.Exec("DELETE FROM outbox WHERE id <= 5").Error; err != nil {
			t.Fatal(err)
		}
		if _, err := relay.Rebuild(t.Context(), false); !errors.Is(err, outbox.ErrHistoryHoldsMore) {
			t.Fatalf("rebuilds a history that holds more: %v", err)
		}
		same(t, history(t, log), all)
		if n, err := relay.Rebuild(t.Context(), true); err != nil || n != 35 {
			t.Fatalf("rebuilds %d events, %v", n, err)
		}
		drain()
		same(t, history(t, log), all[5:])
	})
}

// If the log cannot delete the history, no event is marked unsent.
func TestRebuildChangesNothingWhenDropFails(t *testing.T) {
	dbtest.Each(t, "sales", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		commit(t, conn, 0, 5)
		log := &undroppable{}
		relay := newRelay(t, conn, log, 10)
		if _, err := relay.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := relay.Rebuild(t.Context(), true); err == nil {
			t.Fatal("no error")
		}
		if n, err := relay.RunOnce(t.Context()); err != nil || n != 0 {
			t.Errorf("%d events are sent again, %v", n, err)
		}
		same(t, log.taken, ids(t, conn))
	})
}

type undroppable struct{ fragile }

func (u *undroppable) Drop(context.Context, string) error {
	return fmt.Errorf("%w: cannot", bus.ErrUnavailable)
}
