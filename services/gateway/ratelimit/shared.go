package ratelimit

import (
	"context"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
)

// shared keeps buckets in Redis by redis_rate's script (GCRA).
type shared struct {
	limiter *redis_rate.Limiter
	prefix  string
}

func newShared(client *redis.Client, prefix string) *shared {
	return &shared{redis_rate.NewLimiter(client), prefix}
}

func (s *shared) take(ctx context.Context, key string, r Rate) (Result, error) {
	limit := redis_rate.Limit{Rate: r.PerSecond, Burst: r.Burst, Period: second}
	got, err := s.limiter.Allow(ctx, s.prefix+key, limit)
	if err == nil && got.RetryAfter > maxRefill(r) {
		if err = s.limiter.Reset(ctx, s.prefix+key); err == nil {
			got, err = s.limiter.Allow(ctx, s.prefix+key, limit)
		}
	}
	if err != nil {
		return Result{}, err
	}
	return Result{Allowed: got.Allowed > 0, Remaining: got.Remaining, Reset: got.ResetAfter, Retry: max(0, got.RetryAfter)}, nil
}

// maxRefill returns an upper bound of the time in which a bucket fills. A bucket that
// claims to need longer was written before the clock of Redis was set back, or under
// another rate, and would refuse its caller for as long as the clock was set back.
func maxRefill(r Rate) time.Duration {
	return time.Duration(r.Burst+1)*second/time.Duration(r.PerSecond) + second
}
