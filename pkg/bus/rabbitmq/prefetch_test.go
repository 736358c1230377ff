package rabbitmq_test

import (
	"context"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"quadrille/pkg/bus"
	"quadrille/pkg/bus/bustest"
	"quadrille/pkg/bus/rabbitmq"
	"quadrille/test/harness/parts"
)

// However few deliveries may be under way, a reader gets all events and sees the end.
func TestReadsAllWithSmallPrefetch(t *testing.T) {
	for _, prefetch := range []int{1, 7} {
		t.Run(strconv.Itoa(prefetch), func(t *testing.T) {
			t.Parallel()
			broker, prefix := parts.RabbitMQ(t), "t"+uuid.NewString()[:13]+"."
			b, err := rabbitmq.New(rabbitmq.Config{URLs: []string{broker}, Prefix: prefix, Prefetch: prefetch, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = b.Close() })
			t.Cleanup(func() { deleteStream(t, broker, prefix, "sales") })
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := b.Ready(ctx); err != nil {
				t.Fatal(err)
			}
			sent := bustest.Messages(t, 300, time.Now())
			if err := b.Publish(ctx, "sales", sent); err != nil {
				t.Fatal(err)
			}
			s, err := b.Subscribe(ctx, "sales", bus.Position{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			var last bus.Delivery
			for n := 0; n < len(sent); {
				batch, err := s.Next(ctx, 1000)
				if err != nil {
					t.Fatalf("after %d events: %v", n, err)
				}
				for _, d := range batch {
					if d.ID != sent[n].ID {
						t.Fatalf("event %d is %s, want %s", n, d.ID, sent[n].ID)
					}
					last, n = d, n+1
				}
			}
			if end, err := b.End(ctx, "sales"); err != nil || end.ID != last.ID {
				t.Errorf("the end is %v, %v, want %s", end, err, last.ID)
			}
		})
	}
}
