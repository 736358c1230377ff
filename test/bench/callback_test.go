package bench_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	inventoryclient "quadrille/services/inventory/client"
	"quadrille/test/harness"
	"quadrille/test/harness/parts"
)

// skusAtOnce is the number of SKUs in the query of one call-back.
const skusAtOnce = 100

// transports returns the transports of call-backs, direct HTTP first.
func transports() []string { return []string{"http", "amqp", "redis"} }

// stocked starts a shop on real parts. It returns a client of its inventory over the
// transport, and the SKUs in stock.
func stocked(b *testing.B, transport string) (*inventoryclient.Client, []string) {
	b.Helper()
	cfg := harness.Real(b)
	switch transport {
	case "amqp":
		cfg = harness.Over(cfg, "amqp:")
	case "redis":
		cfg.RedisURL = parts.Redis(b)
		cfg = harness.Over(cfg, "redis:")
	}
	shop := harness.Start(b, cfg)
	codes := make([]string, skusAtOnce)
	for i := range codes {
		codes[i] = "S" + strconv.Itoa(i)
		_, _, err := shop.Inventory.Receive(b.Context(), inventoryclient.NewReceipt{ExternalId: codes[i], Sku: codes[i], Quantity: 1})
		check(b, err)
	}
	return shop.Inventory, codes
}

// latency holds the durations of calls in milliseconds, and their rate.
type latency struct{ p50, p99, perSecond float64 }

// timed has n clients call for two seconds, after one in which everything warms up.
func timed(b *testing.B, n int, call func(context.Context) error) latency {
	b.Helper()
	for _, span := range []time.Duration{time.Second, 2 * time.Second} {
		var mu sync.Mutex
		var took []time.Duration
		var clients sync.WaitGroup
		began := time.Now()
		for range n {
			clients.Go(func() {
				var own []time.Duration
				for at := time.Now(); at.Sub(began) < span; at = time.Now() {
					if err := call(b.Context()); err != nil {
						b.Error(err)
						return
					}
					own = append(own, time.Since(at))
				}
				mu.Lock()
				defer mu.Unlock()
				took = append(took, own...)
			})
		}
		clients.Wait()
		if span > time.Second && len(took) > 0 {
			slices.Sort(took)
			ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
			return latency{ms(took[len(took)/2]), ms(took[len(took)*99/100]), float64(len(took)) / time.Since(began).Seconds()}
		}
	}
	return latency{}
}

// BenchmarkCallback asks inventory for one SKU, and for a hundred at once, as the
// readers of other services do, over each transport; beside it is what direct HTTP
// did in the same run.
func BenchmarkCallback(b *testing.B) {
	direct := map[string]latency{}
	for _, transport := range transports() {
		b.Run(transport, func(b *testing.B) {
			inventory, codes := stocked(b, transport)
			calls := map[string]func(context.Context) error{
				"one": func(ctx context.Context) error { _, err := inventory.SKU(ctx, "S0"); return err },
				"batch": func(ctx context.Context) error {
					found, err := inventory.SKUs(ctx, codes)
					if err == nil && len(found) != len(codes) {
						err = fmt.Errorf("found %d of %d", len(found), len(codes))
					}
					return err
				},
			}
			for _, what := range []string{"one", "batch"} {
				for _, n := range []int{1, 16} {
					name := fmt.Sprint(what, "/", n, "_clients")
					b.Run(name, func(b *testing.B) {
						for range b.N {
							got := timed(b, n, calls[what])
							if transport == "http" {
								direct[name] = got
							}
							report(b, got, direct[name])
						}
					})
				}
			}
		})
	}
}

// report prints a measurement beside that of direct HTTP, where it was taken.
func report(b *testing.B, got, direct latency) {
	b.Helper()
	b.ReportMetric(got.p50, "p50_ms")
	b.ReportMetric(got.p99, "p99_ms")
	b.ReportMetric(got.perSecond, "calls/s")
	if direct.perSecond > 0 {
		b.ReportMetric(100*got.perSecond/direct.perSecond, "%_of_HTTP")
		b.ReportMetric(got.p50/direct.p50, "x_p50_of_HTTP")
	}
	b.ReportMetric(0, "ns/op")
}
