package bench_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/bus"
	"quadrille/pkg/consumer"
	"quadrille/pkg/events"
)

// BenchmarkKinds reads the same history with a converging consumer and with one in order,
// without a failure. It reports the throughput of the second in percent of the first, from
// the fastest run of each.
func BenchmarkKinds(b *testing.B) {
	log := newBus(b)
	all := messages(b, said(count))
	for start := 0; start < count; start += 1000 {
		check(b, log.Publish(b.Context(), "sales", all[start:start+1000]))
	}
	converging, inOrder := time.Hour, time.Hour
	for range b.N {
		converging = min(converging, kindRun(b, log, consumer.NewConverging[struct{}]))
		inOrder = min(inOrder, kindRun(b, log, consumer.NewInOrder[struct{}]))
	}
	b.ReportMetric(100*converging.Seconds()/inOrder.Seconds(), "%_of_converging")
	b.ReportMetric(count/inOrder.Seconds(), "events/s")
	b.ReportMetric(0, "ns/op")
}

func kindRun(b *testing.B, log bus.Bus, made func(consumer.Config, consumer.Handler[struct{}]) (*consumer.Consumer, error)) time.Duration {
	b.Helper()
	h := &copier{applied: make(chan int, 10_000)}
	c, err := made(consumer.Config{
		Bus: log, DB: dbtest.Postgres(b, "bench", copyTable()), Subscriber: "kind", Stream: "sales", Log: quiet, FromStart: true,
	}, h)
	check(b, err)
	ctx, stop := context.WithCancel(b.Context())
	var running sync.WaitGroup
	began := time.Now()
	running.Go(func() { _ = c.Run(ctx) })
	for got := 0; got < count; got += <-h.applied {
		continue
	}
	took := time.Since(began)
	stop()
	running.Wait()
	return took
}

// BenchmarkEffects makes an effect for each event, with a commit for each.
func BenchmarkEffects(b *testing.B) {
	for name, g := range map[string]consumer.Guarantee{"at_least_once": consumer.AtLeastOnce, "at_most_once": consumer.AtMostOnce} {
		b.Run(name, func(b *testing.B) {
			log := newBus(b)
			check(b, log.Publish(b.Context(), "sales", messages(b, said(1000))))
			for range b.N {
				done := make(chan struct{}, 1000)
				c, err := consumer.NewEffects(consumer.Config{
					Bus: log, DB: dbtest.Postgres(b, "bench", copyTable()), Subscriber: "effects", Stream: "sales", Log: quiet, FromStart: true,
				}, g, func(context.Context, events.Event) error { done <- struct{}{}; return nil })
				check(b, err)
				ctx, stop := context.WithCancel(b.Context())
				var running sync.WaitGroup
				began := time.Now()
				running.Go(func() { _ = c.Run(ctx) })
				for range 1000 {
					<-done
				}
				b.ReportMetric(1000/time.Since(began).Seconds(), "effects/s")
				b.ReportMetric(0, "ns/op")
				stop()
				running.Wait()
			}
		})
	}
}
