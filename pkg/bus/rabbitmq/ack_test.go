package rabbitmq_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"quadrille/pkg/bus"
	"quadrille/pkg/bus/bustest"
	"quadrille/pkg/bus/rabbitmq"
	"quadrille/test/harness/nodes"
)

func openAt(t *testing.T, cfg rabbitmq.Config) *rabbitmq.Log {
	t.Helper()
	cfg.Log = slog.New(slog.DiscardHandler)
	b, err := rabbitmq.New(cfg)
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

// Neither a consumer of a quiet stream nor a busy one leaves deliveries unacknowledged
// until the broker closes the channel.
func TestAcknowledgesInTime(t *testing.T) {
	t.Parallel()
	node := nodes.RabbitMQ(t)
	if err := node.SetConsumerTimeout(3 * time.Second); err != nil {
		t.Fatal(err)
	}
	b := openAt(t, rabbitmq.Config{URLs: []string{node.URL()}, Prefetch: 50, StallTimeout: time.Second})
	const all = 400 // more than the subscription keeps
	sent := bustest.Messages(t, all, time.Now())
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
			if !errors.Is(err, bus.ErrUnavailable) || !errors.Is(err, bus.ErrStalled) {
				t.Errorf("a busy reader got %v; want ErrStalled", err)
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
