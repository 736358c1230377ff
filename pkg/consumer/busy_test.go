package consumer_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/bus/rabbitmq"
	"quadrille/pkg/consumer"
	"quadrille/test/harness/nodes"
)

// A consumer that was busy for longer than StallTimeout subscribes again without an error
// and handles each event once.
func TestContinuesAfterAStalledSubscription(t *testing.T) {
	t.Parallel()
	node := nodes.RabbitMQ(t)
	if err := node.SetConsumerTimeout(3 * time.Second); err != nil {
		t.Fatal(err)
	}
	b, err := rabbitmq.New(rabbitmq.Config{URLs: []string{node.URL()}, Prefetch: 10, StallTimeout: 500 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	if err := b.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
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
		if s := r.Status(ctx); s.State == consumer.StateFailing || ctx.Err() != nil {
			t.Fatalf("after %d of %d events the consumer is %+v", n, all, s)
		}
		time.Sleep(10 * time.Millisecond)
	}
	once(t, conn, all)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
