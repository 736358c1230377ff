package redisrpc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"quadrille/pkg/rpc"
	"quadrille/pkg/rpc/internal/grace"
	"quadrille/pkg/rpc/internal/pending"
)

// perCall receives each reply on a list named by the request's ID, on a connection of
// its own for each call.
type perCall struct {
	redis *redis.Client
	list  string
	life  context.Context // ends with Close
	stop  context.CancelFunc

	mu      sync.Mutex // guards waiting against calls that start after Close
	waiting sync.WaitGroup
}

// RoundTrip implements rpc.Transport. It reads in a goroutine, because the Redis client
// does not observe contexts while it reads.
func (t *perCall) RoundTrip(ctx context.Context, id string, message []byte) ([]byte, error) {
	result := make(chan pending.Result, 1)
	t.mu.Lock()
	if t.life.Err() != nil {
		t.mu.Unlock()
		return nil, rpc.ErrTransportClosed
	}
	t.waiting.Go(func() {
		reply, err := t.exchange(ctx, id, message)
		result <- pending.Result{Reply: reply, Err: err}
	})
	t.mu.Unlock()
	select {
	case r := <-result:
		return r.Reply, r.Err
	case <-t.life.Done():
		return nil, rpc.ErrTransportClosed
	case <-ctx.Done():
		return nil, fmt.Errorf("no answer from %s: %w", t.list, ctx.Err())
	}
}

func (t *perCall) exchange(ctx context.Context, id string, message []byte) ([]byte, error) {
	if err := t.redis.LPush(ctx, t.list, message).Err(); err != nil {
		return nil, rpc.Unavailable(ctx, err)
	}
	if id == "" {
		return nil, nil
	}
	for ctx.Err() == nil && t.life.Err() == nil {
		reply, err := blockingPop(ctx, t.redis, id)
		if err == nil {
			return []byte(reply), nil
		}
		if !errors.Is(err, redis.Nil) {
			return nil, rpc.Unavailable(ctx, err)
		}
	}
	return nil, fmt.Errorf("no answer from %s: %w", t.list, ctx.Err())
}

// Close implements rpc.Transport. It waits up to two seconds for readers to return.
func (t *perCall) Close() error {
	t.mu.Lock()
	t.stop()
	t.mu.Unlock()
	late, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	grace.Wait(&t.waiting, late.Done())
	return nil
}

// blockFor returns the time that one command blocks in Redis, as a Redis argument. It stays
// well below the client's read time-out, which detects connections that hang: the
// client adds ten seconds to that time-out for commands that it knows to block.
func blockFor(r *redis.Client) string {
	wait := time.Second / 2 // which also bounds the time that a clean stop takes
	if limit := r.Options().ReadTimeout; limit > 0 {
		wait = min(wait, limit/2)
	}
	return fmt.Sprintf("%.3f", wait.Seconds())
}

// blockingPop pops from a list. It returns redis.Nil if nothing came within blockFor.
func blockingPop(ctx context.Context, r *redis.Client, list string) (string, error) {
	popped, err := r.Do(ctx, "BRPOP", list, blockFor(r)).StringSlice()
	if err != nil {
		return "", err
	}
	if len(popped) != 2 {
		return "", fmt.Errorf("BRPOP returned %d strings, want 2", len(popped))
	}
	return popped[1], nil
}
