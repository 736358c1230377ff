package redisrpc

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"quadrille/pkg/rpc/internal/grace"
)

const retryAfter = 200 * time.Millisecond

// take passes requests to start until ctx ends. It takes none that has to wait for a
// slot, so that other servers can.
func (s *Server) take(ctx context.Context, start func(request string)) {
	for logged := false; ; {
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		request, more, err := s.next(ctx)
		switch {
		case err == nil:
			logged = false
			s.count(request, 1)
			start(request)
			s.takeMore(ctx, more, start)
			continue
		case ctx.Err() != nil:
			return
		case errors.Is(err, redis.Nil):
			logged = false
		default:
			s.logUnavailable(logged, err)
			logged = true
			grace.Pause(ctx, retryAfter)
		}
		<-s.slots
	}
}

// logUnavailable logs that Redis does not answer, unless that was logged before.
func (s *Server) logUnavailable(logged bool, err error) {
	if !logged {
		s.cfg.Log.Warn("Redis is unavailable; retrying", "list", s.cfg.List, "error", err)
	}
}

// next waits up to blockFor for a request. Under load it also returns how many more are
// in the list.
func (s *Server) next(ctx context.Context) (request string, more int, err error) {
	const light = 3
	move := []any{"BLMOVE", s.cfg.List, s.keys.working(s.instance), "RIGHT", "LEFT", blockFor(s.cfg.Redis)}
	if len(s.slots) < light {
		request, err = s.cfg.Redis.Do(ctx, move...).Text()
		return request, 0, err
	}
	p := s.cfg.Redis.Pipeline()
	moved := p.Do(ctx, move...)
	length := p.LLen(ctx, s.cfg.List)
	_, _ = p.Exec(ctx) // each command has its own error
	request, err = moved.Text()
	return request, int(length.Val()), err
}

// takeMore takes up to n requests in one round trip, as far as there are free slots.
func (s *Server) takeMore(ctx context.Context, n int, start func(request string)) {
	const maxMore = 32
	n = s.acquire(min(n, maxMore))
	if n == 0 {
		return
	}
	p := s.cfg.Redis.Pipeline()
	moved := make([]*redis.StringCmd, n)
	for i := range moved {
		moved[i] = p.LMove(ctx, s.cfg.List, s.keys.working(s.instance), "RIGHT", "LEFT")
	}
	_, _ = p.Exec(ctx) // each command has its own error; requests lost on their way become orphans
	for _, m := range moved {
		if m.Err() != nil { // other servers have taken the rest
			<-s.slots
			continue
		}
		s.count(m.Val(), 1)
		start(m.Val())
	}
}

// acquire acquires up to n free slots and returns how many it got.
func (s *Server) acquire(n int) (got int) {
	for ; got < n; got++ {
		select {
		case s.slots <- struct{}{}:
		default:
			return got
		}
	}
	return got
}
