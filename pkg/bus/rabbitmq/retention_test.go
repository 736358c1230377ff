package rabbitmq_test

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"

	"quadrille/pkg/bus"
	"quadrille/pkg/bus/bustest"
	"quadrille/pkg/bus/rabbitmq"
	"quadrille/test/harness/parts"
)

// A history that was cut below a position is another one: the reader is told, and
// who begins anew gets what is left.
func TestCutsHistory(t *testing.T) {
	t.Parallel()
	broker, prefix := parts.RabbitMQ(t), "t"+uuid.NewString()[:13]+"."
	open := func(maxBytes int64) *rabbitmq.Log {
		b, err := rabbitmq.New(rabbitmq.Config{URLs: []string{broker}, Prefix: prefix, MaxBytes: maxBytes, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() })
		if err := b.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		return b
	}
	b := open(3 << 20)
	t.Cleanup(func() { deleteStream(t, broker, prefix, "sales") })
	publish := func(b *rabbitmq.Log, n int) {
		t.Helper()
		if err := b.Publish(t.Context(), "sales", bustest.Messages(t, n, time.Now())); err != nil {
			t.Fatal(err)
		}
	}
	publish(b, 10)
	s, err := b.Subscribe(t.Context(), "sales", bus.Position{})
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.Next(t.Context(), 5)
	if err != nil {
		t.Fatal(err)
	}
	at := bus.Position{Offset: first[len(first)-1].Offset, ID: first[len(first)-1].ID}
	_ = s.Close()
	for deadline := time.Now().Add(time.Minute); ; {
		publish(b, 2000) // two segments
		s, err := b.Subscribe(t.Context(), "sales", at)
		if err == nil {
			_ = s.Close()
		}
		if errors.Is(err, bus.ErrHistoryChanged) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a position below what is left gives %v", err)
		}
	}
	s, err = b.Subscribe(t.Context(), "sales", bus.Position{})
	if err != nil {
		t.Fatal(err)
	}
	if rest, err := s.Next(t.Context(), 1); err != nil || rest[0].Offset <= at.Offset {
		t.Errorf("what is left begins with %v, %v", rest, err)
	}
	// Another retention is refused by the broker, and events go out nevertheless.
	publish(open(9<<20), 3)
}
