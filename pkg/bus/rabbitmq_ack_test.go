package bus_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/bus"
	"quadrille/test/harness/nodes"
)

// impatient returns a broker that closes a channel on which a delivery stays
// unacknowledged for three seconds.
func impatient(t *testing.T) *nodes.RabbitNode {
	t.Helper()
	node := nodes.RabbitMQ(t)
	for _, set := range []string{"consumer_timeout, 3000", "channel_tick_interval, 250"} {
		if _, err := node.Ctl("eval", "application:set_env(rabbit, "+set+")."); err != nil {
			t.Fatal(err)
		}
	}
	return node
}

func openAt(t *testing.T, cfg bus.RabbitMQConfig) *bus.RabbitMQ {
	t.Helper()
	cfg.Log = slog.New(slog.DiscardHandler)
	b, err := bus.NewRabbitMQ(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	ready, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := b.Ready(ready); err != nil {
		t.Fatal(err)
	}
	return b
}

// A reader of a quiet stream, and one that is busy for long, do not leave deliveries
// unacknowledged until the broker closes their channels.
func TestRabbitMQAcknowledgesInTime(t *testing.T) {
	t.Parallel()
	node := impatient(t)
	b := openAt(t, bus.RabbitMQConfig{URLs: []string{node.URL()}, Prefetch: 50, LetGo: time.Second})
	const all = 400 // more than the subscription keeps
	sent := fat(t, all, time.Now())
	if err := b.Publish(t.Context(), "sales", sent); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), "catalog", sent[:3]); err != nil {
		t.Fatal(err)
	}
	quiet, err := b.Subscribe(t.Context(), "catalog", bus.Position{})
	if err != nil {
		t.Fatal(err)
	}
	defer quiet.Close()
	busy, err := b.Subscribe(t.Context(), "sales", bus.Position{})
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for n := 0; n < 3; {
		found, err := quiet.Next(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		n += len(found)
	}
	waiting, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	if _, err := quiet.Next(waiting, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a quiet reader got %v; want to be left alone", err)
	}
	got := 0
	for {
		found, err := busy.Next(t.Context(), 7)
		if err != nil {
			if !errors.Is(err, bus.ErrUnavailable) || !strings.Contains(err.Error(), "let go") {
				t.Errorf("a busy reader got %v; want that it let its subscription go", err)
			}
			break
		}
		for _, d := range found {
			if d.ID != sent[got].ID {
				t.Fatalf("event %d is %s, want %s", got, d.ID, sent[got].ID)
			}
			got++
		}
	}
	if got == 0 || got == all {
		t.Errorf("a busy reader got %d events of a subscription that was let go", got)
	}
}

// A reader that was busy for longer than a subscription is kept goes on without an
// error of its own, and gets each event once.
func TestReaderGoesOnWhenItWasBusy(t *testing.T) {
	t.Parallel()
	node := impatient(t)
	b := openAt(t, bus.RabbitMQConfig{URLs: []string{node.URL()}, Prefetch: 10, LetGo: 500 * time.Millisecond})
	const all = 200
	tell(t, b, 0, all)
	conn := dbtest.SQLite(t, "tally", effectTables())
	c := &tally{}
	busyOnce := make(chan struct{}, 1)
	busyOnce <- struct{}{}
	c.set(func() error {
		select {
		case <-busyOnce:
			time.Sleep(5 * time.Second) // longer than the broker waits for an acknowledgement
		default:
		}
		return nil
	}, nil)
	r := reader(t, conn, b, c)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	for n, _ := effects(t, conn); n < all; n, _ = effects(t, conn) {
		if s := r.Status(ctx); s.State == bus.StateFailing || ctx.Err() != nil {
			t.Fatalf("after %d of %d events the reader is %+v", n, all, s)
		}
		time.Sleep(10 * time.Millisecond)
	}
	once(t, conn, all)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
