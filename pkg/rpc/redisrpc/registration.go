package redisrpc

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"quadrille/pkg/rpc/internal/grace"
)

// register announces the server before it takes a request: others requeue the requests
// of registered servers only. It returns once that is written or ctx has ended.
func (s *Server) register(ctx context.Context) {
	for logged := false; ctx.Err() == nil; logged = true {
		err := s.heartbeat(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		s.logUnavailable(logged, err)
		grace.Pause(ctx, retryAfter)
	}
}

// heartbeat renews the server's registration.
func (s *Server) heartbeat(ctx context.Context) error {
	_, err := s.cfg.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, s.keys.alive(s.instance), 1, s.cfg.Alive)
		p.SAdd(ctx, s.keys.workers(), s.instance)
		return nil
	})
	return err
}

// deregister requeues what the server has not answered and removes its registration.
func (s *Server) deregister(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if _, err := s.requeueAll(ctx, s.instance); err != nil {
		return // another server does it
	}
	_, _ = s.cfg.Redis.Pipelined(ctx, func(p redis.Pipeliner) error { // the registration expires anyway
		p.Del(ctx, s.keys.alive(s.instance))
		p.SRem(ctx, s.keys.workers(), s.instance)
		return nil
	})
}

// requeueOfDead requeues the requests of registered servers without a heartbeat.
func (s *Server) requeueOfDead(ctx context.Context) {
	instances, err := s.cfg.Redis.SMembers(ctx, s.keys.workers()).Result()
	if err != nil {
		return // the next run tries again
	}
	for _, i := range instances {
		if n, err := s.cfg.Redis.Exists(ctx, s.keys.alive(i)).Result(); err != nil || n > 0 {
			continue
		}
		n, err := s.requeueAll(ctx, i)
		if n > 0 {
			s.cfg.Log.Warn("requeued the requests of a server that died", "list", s.cfg.List, "server", i, "requests", n)
		}
		if err != nil {
			return
		}
		s.cfg.Redis.SRem(ctx, s.keys.workers(), i)
	}
}

// requeueAll moves the requests of a server back to the list, where they are taken
// next, and returns how many it moved.
func (s *Server) requeueAll(ctx context.Context, instance string) (n int, err error) {
	for ; ; n++ {
		err := s.cfg.Redis.LMove(ctx, s.keys.working(instance), s.cfg.List, "RIGHT", "RIGHT").Err()
		if errors.Is(err, redis.Nil) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// requeueOrphans returns a function that requeues orphans: requests in the server's
// working list that it does not handle, because Redis sent them over a connection that
// broke, or because their replies could not be sent. A request must be found by two
// calls in a row, since one may just be arriving.
func (s *Server) requeueOrphans() func(context.Context) {
	found := map[string]int{}
	return func(ctx context.Context) {
		before := found
		found = s.orphans(ctx)
		for request, n := range found {
			for range min(n, before[request]) {
				s.cfg.Log.Warn("requeued a request that was lost on its way to the server", "list", s.cfg.List)
				s.requeue(ctx, request)
			}
		}
	}
}

// orphans counts the requests in the server's working list that are not in progress.
func (s *Server) orphans(ctx context.Context) map[string]int {
	own := s.keys.working(s.instance)
	length, err := s.cfg.Redis.LLen(ctx, own).Result()
	if err != nil || length <= s.inProgressCount() {
		return nil
	}
	requests, err := s.cfg.Redis.LRange(ctx, own, 0, -1).Result()
	if err != nil {
		return nil
	}
	found := map[string]int{}
	for _, r := range requests {
		found[r]++
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for r, n := range s.inProgress {
		found[r] -= n
	}
	return found
}

// requeue moves one request from the server's working list back to the list, unless it
// has been answered meanwhile.
func (s *Server) requeue(ctx context.Context, request string) {
	move := redis.NewScript(`if redis.call("LREM", KEYS[1], -1, ARGV[1]) == 1 then redis.call("RPUSH", KEYS[2], ARGV[1]) end`)
	_ = move.Run(ctx, s.cfg.Redis, []string{s.keys.working(s.instance), s.cfg.List}, request).Err() // the next run tries again
}

// keys returns the names of the keys that the servers of a list use in Redis.
type keys struct{ list string }

// workers returns the set of the registered servers, dead ones included until another
// server has requeued their requests.
func (k keys) workers() string { return k.list + ".workers" }

// alive returns the key that a server's heartbeat renews.
func (k keys) alive(instance string) string { return k.list + ".alive." + instance }

// working returns the list of the requests that a server has taken and not answered.
func (k keys) working(instance string) string { return k.list + ".working." + instance }
