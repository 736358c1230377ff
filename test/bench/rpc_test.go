package bench_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"quadrille/pkg/broker"
	"quadrille/pkg/rpc"
	"quadrille/pkg/rpc/amqprpc"
	"quadrille/pkg/rpc/redisrpc"
	"quadrille/test/harness/parts"
)

// adding adds two numbers far away.
type adding func(a, b float64) (float64, error)

// What BenchmarkRPC does.
const (
	sequential = 1000            // calls one after the other
	callers    = 64              // that call at a time
	callFor    = 5 * time.Second // each kind
	turns      = 50              // that the kinds take, one after the other
)

// BenchmarkRPC calls add over each transport: through pkg/rpc, and through the
// smallest correct Go program for that transport, which is the limit. The two take
// turns, on the same servers, each with its server in this process; the figures are
// medians of their turns. seq_s is for 1,000 calls one after the other, concurrent/s
// is with 64 callers.
func BenchmarkRPC(b *testing.B) {
	for _, transport := range []struct {
		name       string
		ours, bare func(b *testing.B) adding
	}{
		{"HTTP", oursHTTP, bareHTTP},
		{"Redis", oursRedis, bareRedis},
		{"RabbitMQ", oursRabbitMQ, bareRabbitMQ},
	} {
		b.Run(transport.name, func(b *testing.B) {
			for range b.N {
				kinds := [2]adding{transport.ours(b), transport.bare(b)}
				for _, add := range kinds { // connections are opened, lists and queues are there
					oneByOne(b, add, 100)
					together(b, add, 200*time.Millisecond)
				}
				var took, rate [2][]float64
				for range turns {
					for i, add := range kinds {
						took[i] = append(took[i], turns*oneByOne(b, add, sequential/turns).Seconds())
					}
				}
				for range turns {
					for i, add := range kinds {
						rate[i] = append(rate[i], together(b, add, callFor/turns))
					}
				}
				seq, done := [2]float64{median(took[0]), median(took[1])}, [2]float64{median(rate[0]), median(rate[1])}
				b.ReportMetric(seq[0], "seq_s")
				b.ReportMetric(seq[1], "bare_seq_s")
				b.ReportMetric(seq[1]/seq[0], "seq_of_limit")
				b.ReportMetric(done[0], "concurrent/s")
				b.ReportMetric(done[1], "bare_concurrent/s")
				b.ReportMetric(done[0]/done[1], "concurrent_of_limit")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

func oneByOne(b *testing.B, add adding, n int) time.Duration {
	b.Helper()
	began := time.Now()
	for i := range n {
		checkSum(b, add, float64(i))
	}
	return time.Since(began)
}

// median returns the median, which other load during some of the turns hardly changes.
func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// together returns the calls per second of concurrent callers over about d.
func together(b *testing.B, add adding, d time.Duration) float64 {
	b.Helper()
	var calls atomic.Int64
	var calling sync.WaitGroup
	began := time.Now()
	for range callers {
		calling.Go(func() {
			for time.Since(began) < d {
				checkSum(b, add, float64(calls.Add(1)))
			}
		})
	}
	calling.Wait()
	return float64(calls.Load()) / time.Since(began).Seconds()
}

func checkSum(b *testing.B, add adding, n float64) {
	b.Helper()
	if got, err := add(n, 5.5); err != nil || got != n+5.5 {
		b.Errorf("%f + 5.5 is answered %f, %v", n, got, err)
	}
}

// operands are the params of ours, by name.
type operands struct {
	A float64 `json:"a"`
	B float64 `json:"b"`
}

func calculator() *rpc.Server {
	s := rpc.NewServer(rpc.ServerConfig{Log: quiet})
	rpc.Register(s, "add", func(_ context.Context, p operands) (float64, error) { return p.A + p.B, nil })
	return s
}

// calling calls ours, with a deadline as every call has one.
func calling(b *testing.B, t rpc.Transport, err error) adding {
	b.Helper()
	check(b, err)
	c := rpc.NewClient(t)
	b.Cleanup(func() { check(b, c.Close()) })
	return func(x, y float64) (float64, error) {
		ctx, cancel := context.WithTimeout(b.Context(), 30*time.Second)
		defer cancel()
		return rpc.Call[float64](ctx, c, "add", operands{x, y})
	}
}

// serving runs a server until the benchmark ends.
func serving(b *testing.B, run func(context.Context) error) {
	b.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = run(ctx) })
	b.Cleanup(func() { stop(); running.Wait() })
}

func oursHTTP(b *testing.B) adding {
	b.Helper()
	server := httptest.NewServer(rpc.HTTPHandler(calculator()))
	b.Cleanup(server.Close)
	return calling(b, rpc.NewHTTP(server.URL, keepAlive()), nil)
}

// keepAlive keeps a connection for each caller.
func keepAlive() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
}

func openRedis(b *testing.B) (r *redis.Client, list string) {
	b.Helper()
	options, err := redis.ParseURL(parts.Redis(b))
	check(b, err)
	options.PoolSize = 2 * callers
	r, list = redis.NewClient(options), "t"+uuid.NewString()
	b.Cleanup(func() {
		ctx := context.Background()
		if keys, err := r.Keys(ctx, list+"*").Result(); err == nil && len(keys) > 0 {
			r.Del(ctx, keys...)
		}
		check(b, r.Close())
	})
	return r, list
}

func oursRedis(b *testing.B) adding {
	b.Helper()
	r, list := openRedis(b)
	s, err := redisrpc.NewServer(redisrpc.ServerConfig{Redis: r, List: list, Server: calculator(), Log: quiet})
	check(b, err)
	serving(b, s.Run)
	t, err := redisrpc.New(redisrpc.Config{Redis: r, List: list})
	return calling(b, t, err)
}

func oursRabbitMQ(b *testing.B) adding {
	b.Helper()
	session := broker.New("bench", []string{parts.RabbitMQ(b)}, quiet)
	b.Cleanup(session.Close)
	check(b, session.Ready(b.Context()))
	queue, served := "t"+uuid.NewString(), make(chan struct{})
	b.Cleanup(func() { deleteQueue(b, queue) })
	s, err := amqprpc.NewServer(amqprpc.ServerConfig{
		Session: session, Queue: queue, Server: calculator(), Log: quiet, Serving: sync.OnceFunc(func() { close(served) }),
	})
	check(b, err)
	serving(b, s.Run)
	<-served
	t, err := amqprpc.New(amqprpc.Config{Session: session, Queue: queue})
	return calling(b, t, err)
}
