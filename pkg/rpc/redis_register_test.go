package rpc_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"quadrille/pkg/rpc/redisrpc"
	"quadrille/test/harness/parts"
)

// order is a hook that delays the server's registration, and records whether the server takes
// requests before it.
type order struct {
	mu        sync.Mutex
	announced bool
	early     bool          // it took before
	taken     chan struct{} // closed when it takes
	once      sync.Once
}

func (o *order) see(command string) {
	switch {
	case strings.EqualFold(command, "sadd"):
		select {
		case <-o.taken:
		case <-time.After(100 * time.Millisecond): // the server must not take a request in this time
		}
		o.mu.Lock()
		o.announced = true
		o.mu.Unlock()
	case strings.EqualFold(command, "blmove"):
		o.mu.Lock()
		o.early = o.early || !o.announced
		o.mu.Unlock()
		o.once.Do(func() { close(o.taken) })
	}
}

func (o *order) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		return next(ctx, network, address)
	}
}

func (o *order) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, c redis.Cmder) error {
		o.see(c.Name())
		return next(ctx, c)
	}
}

func (o *order) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, all []redis.Cmder) error {
		for _, c := range all {
			o.see(c.Name())
		}
		return next(ctx, all)
	}
}

// Other servers requeue the requests of registered servers only.
func TestServerRegistersBeforeItTakesRequests(t *testing.T) {
	t.Parallel()
	r := connect(t, parts.Redis(t))
	o := &order{taken: make(chan struct{})}
	r.AddHook(o)
	stop, ended := serveRedis(t, redisrpc.ServerConfig{Redis: r, List: list(t, r), Server: newEcho().Server})
	<-o.taken
	stop()
	<-ended
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.early {
		t.Error("it took requests before anybody knew of it")
	}
}
