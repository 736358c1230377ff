package rpc_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"quadrille/pkg/rpc"
	"quadrille/pkg/rpc/redisrpc"
	"quadrille/test/harness/parts"
)

func connect(t *testing.T, url string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	options.PoolSize = 200
	r := redis.NewClient(options)
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// list returns the name of a new list, whose keys it deletes at the end of the test.
func list(t *testing.T, r *redis.Client) string {
	t.Helper()
	name := "t" + uuid.NewString()
	t.Cleanup(func() {
		if keys, _ := r.Keys(context.Background(), name+"*").Result(); len(keys) > 0 {
			r.Del(context.Background(), keys...)
		}
	})
	return name
}

// serveRedis serves until stop is called or the test ends.
func serveRedis(t *testing.T, cfg redisrpc.ServerConfig) (stop context.CancelFunc, ended <-chan struct{}) {
	t.Helper()
	cfg.Log = slog.New(slog.DiscardHandler)
	server, err := redisrpc.NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, server.Run)
}

func overRedis(t *testing.T, url string, perCall bool) driver {
	t.Helper()
	return overRedisList(url, list(t, connect(t, url)), perCall)
}

func overRedisList(url, name string, perCall bool) driver {
	return driver{
		takesBack: true, queues: true,
		serve: func(t *testing.T, s *rpc.Server) func(bool) {
			own := connect(t, url)
			stop, ended := serveRedis(t, redisrpc.ServerConfig{Redis: own, List: name, Server: s})
			return ender(stop, ended, func() { _ = own.Close() }) // it can say nothing any more
		},
		dial: func(t *testing.T) *rpc.Client {
			transport, err := redisrpc.New(redisrpc.Config{Redis: connect(t, url), List: name, PerCall: perCall})
			if err != nil {
				t.Fatal(err)
			}
			c := rpc.NewClient(transport)
			t.Cleanup(func() { _ = c.Close() })
			return c
		},
	}
}

// A reply to the server's own list would be its next request, and cause an endless loop.
func TestServerSendsNoReplyToItsOwnList(t *testing.T) {
	for _, member := range []string{"id", "reply_to"} {
		t.Run(member, func(t *testing.T) {
			t.Parallel()
			r := connect(t, parts.Redis(t))
			name := list(t, r)
			replies := name + ".replies"
			loop := fmt.Sprintf(`{"jsonrpc":"2.0","method":"refuse","id":null,%q:%q}`, member, name)
			call := fmt.Sprintf(`{"jsonrpc":"2.0","method":"echo","params":["hello"],"id":%q}`, replies)
			r.LPush(t.Context(), name, loop, call)
			stop, ended := serveRedis(t, redisrpc.ServerConfig{Redis: connect(t, parts.Redis(t)), List: name, Server: newEcho().Server, Concurrent: 1})
			if _, err := r.BRPop(t.Context(), time.Minute, replies).Result(); err != nil {
				t.Error(err)
			}
			stop()
			<-ended
			if left, err := r.Keys(t.Context(), name+"*").Result(); err != nil || len(left) != 0 {
				t.Errorf("%q are left, %v", left, err)
			}
		})
	}
}

// A process that serves one service and calls six others needs four connections, as documented.
// More connections do not make calls faster.
func TestFourRedisConnectionsSuffice(t *testing.T) {
	t.Parallel()
	url := parts.Redis(t)
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	options.PoolSize = redisrpc.LinkConnections + redisrpc.ServerConnections
	small := redis.NewClient(options)
	t.Cleanup(func() { _ = small.Close() })
	const targets, calls = 6, 200
	lists := make([]string, targets)
	for i := range lists {
		r := connect(t, url)
		lists[i] = list(t, r)
		if i == 0 {
			r = small // it calls itself as well
		}
		serveRedis(t, redisrpc.ServerConfig{Redis: r, List: lists[i], Server: newEcho().Server})
	}
	link := redisrpc.NewLink(small)
	t.Cleanup(link.Close)
	began := time.Now()
	var calling sync.WaitGroup
	for _, l := range lists {
		transport, err := redisrpc.New(redisrpc.Config{Link: link, List: l})
		if err != nil {
			t.Fatal(err)
		}
		c := rpc.NewClient(transport)
		calling.Go(func() { callMany(t, c, l, calls) })
	}
	calling.Wait()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("%d calls took %s", targets*calls, took)
	}
	if s := small.PoolStats(); s.TotalConns > uint32(options.PoolSize) || s.Timeouts > 0 {
		t.Errorf("%+v", s)
	}
}
