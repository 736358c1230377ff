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

// order is a hook that lets a server wait with saying that it lives, and notes whether it
// takes requests meanwhile.
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
		case <-time.After(100 * time.Millisecond): // in which it must not take
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

// What a server was at when it died is taken back only if the server is known: it says
// that it lives before it takes anything.
func TestAServerIsKnownBeforeItTakes(t *testing.T) {
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
