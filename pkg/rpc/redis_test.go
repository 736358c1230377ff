package rpc_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"quadrille/internal/testparts"
	"quadrille/pkg/rpc"
)

// list is the name of a list of the test's own.
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

// serveRedis serves until end, or the end of the test.
func serveRedis(t *testing.T, cfg rpc.RedisServerConfig) (end func()) {
	t.Helper()
	server, err := rpc.NewRedisServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { _ = server.Run(ctx); close(ended) }()
	end = func() { stop(); <-ended }
	t.Cleanup(end)
	return end
}

// A process that serves and calls six others needs four connections, as documented,
// and calls are as fast as with any number.
func TestRedisOnASmallPool(t *testing.T) {
	t.Parallel()
	options, err := redis.ParseURL(testparts.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	options.PoolSize = rpc.RedisLinkUses + rpc.RedisServerUses
	small := redis.NewClient(options)
	t.Cleanup(func() { _ = small.Close() })
	const targets, calls = 6, 200
	lists := make([]string, targets)
	for i := range lists {
		lists[i] = list(t, connect(t))
		r := connect(t)
		if i == 0 {
			r = small // it calls itself as well
		}
		serveRedis(t, rpc.RedisServerConfig{Redis: r, List: lists[i], Server: newEcho().Server, Log: slog.New(slog.DiscardHandler)})
	}
	link := rpc.NewRedisLink(small)
	t.Cleanup(link.Close)
	began := time.Now()
	var calling sync.WaitGroup
	for _, l := range lists {
		transport, err := rpc.NewRedis(rpc.RedisConfig{Link: link, List: l})
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
