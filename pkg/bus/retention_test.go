package bus_test

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"quadrille/pkg/bus"
	"quadrille/pkg/events"
	"quadrille/test/harness/parts"
)

// fat returns n messages of about a kilobyte, said at a time.
func fat(t *testing.T, n int, at time.Time) (messages []bus.Message) {
	t.Helper()
	for i := range n {
		e := events.SkuProcessed(fmt.Sprint("A", i), 1)
		e.Time, e.TraceParent = at.UTC(), strings.Repeat("x", 800)
		body, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, bus.Message{ID: e.ID, Type: e.Type, Body: body})
	}
	return messages
}

// A history that was cut below a position is another one: the reader is told, and
// who begins anew gets what is left.
func TestRabbitMQCutsHistory(t *testing.T) {
	t.Parallel()
	broker, prefix := parts.RabbitMQ(t), "t"+uuid.NewString()[:13]+"."
	open := func(maxBytes int64) *bus.RabbitMQ {
		b, err := bus.NewRabbitMQ(bus.RabbitMQConfig{URLs: []string{broker}, Prefix: prefix, MaxBytes: maxBytes, Log: slog.New(slog.DiscardHandler)})
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
	publish := func(b *bus.RabbitMQ, n int) {
		t.Helper()
		if err := b.Publish(t.Context(), "sales", fat(t, n, time.Now())); err != nil {
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

func TestEmbeddedForgets(t *testing.T) {
	for name, tc := range map[string]struct {
		age   time.Duration
		bytes int64
		left  int
	}{
		"by age": {age: time.Hour, left: 30}, "by bytes": {bytes: 20 << 10, left: 18}, "both": {age: time.Hour, bytes: 20 << 10, left: 18},
		"of bytes the newest stays": {bytes: 1, left: 1}, "neither": {left: 130},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log.db")
			open := func(age time.Duration, bytes int64) *bus.Embedded {
				b, err := bus.NewEmbedded(bus.EmbeddedConfig{Path: path, MaxAge: age, MaxBytes: bytes})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = b.Close() })
				return b
			}
			fill := open(0, 0)
			for _, batch := range [][]bus.Message{fat(t, 100, time.Now().Add(-2*time.Hour)), fat(t, 29, time.Now())} {
				if err := fill.Publish(t.Context(), "sales", batch); err != nil {
					t.Fatal(err)
				}
			}
			if err := fill.Publish(t.Context(), "inventory", fat(t, 3, time.Now().Add(-2*time.Hour))); err != nil {
				t.Fatal(err)
			}
			b := open(tc.age, tc.bytes)
			if err := b.Publish(t.Context(), "sales", fat(t, 1, time.Now())); err != nil {
				t.Fatal(err)
			}
			for stream, want := range map[string]int{"sales": tc.left, "inventory": 3} {
				n, err := bus.Count(t.Context(), b, stream, 0, func(int64) {})
				if err != nil || int(n) < want-1 || int(n) > want+1 {
					t.Errorf("%s: %d events are left, %v; want %d", stream, n, err, want)
				}
			}
		})
	}
}
