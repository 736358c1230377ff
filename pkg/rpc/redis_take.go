package rpc

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// take hands requests to begin until ctx ends. One that cannot be worked on yet is
// left to others.
func (s *RedisServer) take(ctx context.Context, begin func(request string)) {
	for away := false; ; {
		select {
		case s.free <- struct{}{}:
		case <-ctx.Done():
			return
		}
		request, more, err := s.next(ctx)
		switch {
		case err == nil:
			away = false
			s.count(request, 1)
			begin(request)
			s.takeMore(ctx, more, begin)
			continue
		case ctx.Err() != nil:
			return
		case errors.Is(err, redis.Nil):
			away = false
		default:
			s.away(away, err)
			away = true
			pause(ctx, tryAgain)
		}
		<-s.free
	}
}

const tryAgain = 200 * time.Millisecond

// away says that Redis does not answer, unless that was said.
func (s *RedisServer) away(said bool, err error) {
	if !said {
		s.cfg.Log.Warn("Redis does not answer; trying again", "list", s.cfg.List, "error", err)
	}
}

// next waits a moment for a request, and says how many are there beside, once there
// is more than a little to do.
func (s *RedisServer) next(ctx context.Context) (request string, more int, err error) {
	const little = 3
	move := []any{"BLMOVE", s.cfg.List, s.names.working(s.instance), "RIGHT", "LEFT", blocking(s.cfg.Redis)}
	if len(s.free) < little {
		request, err = s.cfg.Redis.Do(ctx, move...).Text()
		return request, 0, err
	}
	p := s.cfg.Redis.Pipeline()
	moved := p.Do(ctx, move...)
	beside := p.LLen(ctx, s.cfg.List)
	_, _ = p.Exec(ctx) // each command knows
	request, err = moved.Text()
	return request, int(beside.Val()), err
}

// takeMore takes up to n requests at once, as far as there is room.
func (s *RedisServer) takeMore(ctx context.Context, n int, begin func(request string)) {
	const atOnce = 32
	room := s.room(min(n, atOnce))
	if room == 0 {
		return
	}
	p := s.cfg.Redis.Pipeline()
	moved := make([]*redis.StringCmd, room)
	for i := range moved {
		moved[i] = p.LMove(ctx, s.cfg.List, s.names.working(s.instance), "RIGHT", "LEFT")
	}
	_, _ = p.Exec(ctx) // likewise; what is lost on its way is reclaimed
	for _, m := range moved {
		if m.Err() != nil { // others were faster
			<-s.free
			continue
		}
		s.count(m.Val(), 1)
		begin(m.Val())
	}
}

// room takes up to n of what is free.
func (s *RedisServer) room(n int) (got int) {
	for ; got < n; got++ {
		select {
		case s.free <- struct{}{}:
		default:
			return got
		}
	}
	return got
}
