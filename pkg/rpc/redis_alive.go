package rpc

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

func (s *RedisServer) every(ctx context.Context, d time.Duration, do func(context.Context)) {
	for ctx.Err() == nil {
		do(ctx)
		pause(ctx, d)
	}
}

// announce says that this server lives, before it takes anything: what a server was at
// is taken back only if it is known. It returns once that is said, or ctx has ended.
func (s *RedisServer) announce(ctx context.Context) {
	for away := false; ctx.Err() == nil; away = true {
		err := s.beat(ctx)
		if err == nil {
			return
		}
		s.away(away, err)
		pause(ctx, tryAgain)
	}
}

// beat says that this server lives.
func (s *RedisServer) beat(ctx context.Context) error {
	_, err := s.cfg.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, s.names.alive(s.instance), 1, s.cfg.Alive)
		p.SAdd(ctx, s.names.workers(), s.instance)
		return nil
	})
	return err
}

// takeBack gives the requests of servers that are dead back to the living.
func (s *RedisServer) takeBack(ctx context.Context) {
	instances, err := s.cfg.Redis.SMembers(ctx, s.names.workers()).Result()
	if err != nil {
		return // another time
	}
	for _, i := range instances {
		if n, err := s.cfg.Redis.Exists(ctx, s.names.alive(i)).Result(); err != nil || n > 0 {
			continue
		}
		n, err := s.giveBack(ctx, i)
		if n > 0 {
			s.cfg.Log.Warn("a server died over requests; they were taken back", "list", s.cfg.List, "server", i, "requests", n)
		}
		if err != nil {
			return
		}
		s.cfg.Redis.SRem(ctx, s.names.workers(), i)
	}
}

// giveBack moves what a server was at back to the list, as what comes next.
func (s *RedisServer) giveBack(ctx context.Context, instance string) (n int, err error) {
	for ; ; n++ {
		err := s.cfg.Redis.LMove(ctx, s.names.working(instance), s.cfg.List, "RIGHT", "RIGHT").Err()
		if errors.Is(err, redis.Nil) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// reclaim looks for requests that Redis gave this server over a connection that
// broke, or whose replies could not be sent: nobody works on them while this server
// lives. What is found twice in a row goes back to the list.
func (s *RedisServer) reclaim() func(context.Context) {
	lost := map[string]int{}
	return func(ctx context.Context) {
		before := lost
		lost = s.strays(ctx)
		for request, n := range lost {
			for range min(n, before[request]) {
				s.cfg.Log.Warn("a request was lost on its way; it was taken back", "list", s.cfg.List)
				s.putBack(ctx, request)
			}
		}
	}
}

// strays is what lies in this server's own list and is not under way.
func (s *RedisServer) strays(ctx context.Context) map[string]int {
	own := s.names.working(s.instance)
	length, err := s.cfg.Redis.LLen(ctx, own).Result()
	if err != nil || length <= s.atWork() {
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
	for r, n := range s.underWay {
		found[r] -= n
	}
	return found
}

// atWork is how many requests are under way.
func (s *RedisServer) atWork() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, times := range s.underWay {
		n += int64(times)
	}
	return n
}

// putBack moves one request from this server's own list to the one that is served,
// unless it is gone by now.
func (s *RedisServer) putBack(ctx context.Context, request string) {
	move := redis.NewScript(`if redis.call("LREM", KEYS[1], -1, ARGV[1]) == 1 then redis.call("RPUSH", KEYS[2], ARGV[1]) end`)
	_ = move.Run(ctx, s.cfg.Redis, []string{s.names.working(s.instance), s.cfg.List}, request).Err() // tried again
}

// leave says goodbye, so that nobody looks for what was left behind.
func (s *RedisServer) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if _, err := s.giveBack(ctx, s.instance); err != nil {
		return // others do it
	}
	_, _ = s.cfg.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Del(ctx, s.names.alive(s.instance))
		p.SRem(ctx, s.names.workers(), s.instance)
		return nil
	})
}
