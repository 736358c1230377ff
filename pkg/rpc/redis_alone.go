package rpc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisAlone waits for each reply on a list that is named by the request's ID, on a
// connection for each call.
type redisAlone struct {
	redis *redis.Client
	list  string
	life  context.Context // ends with Close
	stop  context.CancelFunc

	mu      sync.Mutex // waiting is not added to once life has ended
	waiting sync.WaitGroup
}

// RoundTrip is Transport's. The client heeds no context while it reads: so the
// waiting is done aside.
func (t *redisAlone) RoundTrip(ctx context.Context, id string, message []byte) ([]byte, error) {
	arrived := make(chan answer, 1)
	t.mu.Lock()
	if t.life.Err() != nil {
		t.mu.Unlock()
		return nil, errTransportClosed
	}
	t.waiting.Go(func() {
		reply, err := t.exchange(ctx, id, message)
		arrived <- answer{reply, err}
	})
	t.mu.Unlock()
	select {
	case a := <-arrived:
		return a.reply, a.err
	case <-t.life.Done():
		return nil, errTransportClosed
	case <-ctx.Done():
		return nil, fmt.Errorf("no answer from %s: %w", t.list, ctx.Err())
	}
}

func (t *redisAlone) exchange(ctx context.Context, id string, message []byte) ([]byte, error) {
	if err := t.redis.LPush(ctx, t.list, message).Err(); err != nil {
		return nil, unavailable(ctx, err)
	}
	if id == "" {
		return nil, nil
	}
	for ctx.Err() == nil && t.life.Err() == nil {
		reply, err := popWaiting(ctx, t.redis, id)
		if err == nil {
			return []byte(reply), nil
		}
		if !errors.Is(err, redis.Nil) {
			return nil, unavailable(ctx, err)
		}
	}
	return nil, fmt.Errorf("no answer from %s: %w", t.list, ctx.Err())
}

// Close is Transport's. It waits a moment for those who still listen.
func (t *redisAlone) Close() error {
	t.mu.Lock()
	t.stop()
	t.mu.Unlock()
	late, end := context.WithTimeout(context.Background(), 2*time.Second)
	defer end()
	finished(&t.waiting, late.Done())
	return nil
}

// blocking is how long a connection waits in Redis at a time, in its words. It is
// well below the client's time-out for reading, by which a connection that hangs is
// found out: commands that the client knows to block are given ten seconds more.
func blocking(r *redis.Client) string {
	wait := time.Second / 2 // so long takes a clean end
	if limit := r.Options().ReadTimeout; limit > 0 {
		wait = min(wait, limit/2)
	}
	return fmt.Sprintf("%.3f", wait.Seconds())
}

// popWaiting pops from a list, waiting a moment for something to be there; redis.Nil
// where nothing came.
func popWaiting(ctx context.Context, r *redis.Client, list string) (string, error) {
	popped, err := r.Do(ctx, "BRPOP", list, blocking(r)).StringSlice()
	if err != nil {
		return "", err
	}
	if len(popped) != 2 {
		return "", fmt.Errorf("BRPOP answers with %d strings", len(popped))
	}
	return popped[1], nil
}
