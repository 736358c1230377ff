package ratelimit

import (
	"context"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
)

// shared is buckets in Redis, kept by redis_rate's script (GCRA).
type shared struct {
	limiter *redis_rate.Limiter
	prefix  string
}

func newShared(client *redis.Client, prefix string) *shared {
	return &shared{redis_rate.NewLimiter(client), prefix}
}

func (s *shared) take(ctx context.Context, key string, r Rate) (Result, error) {
	got, err := s.limiter.Allow(ctx, s.prefix+key, redis_rate.Limit{Rate: r.PerSecond, Burst: r.Burst, Period: second})
	if err != nil {
		return Result{}, err
	}
	return Result{Allowed: got.Allowed > 0, Remaining: got.Remaining, Reset: got.ResetAfter, Retry: max(0, got.RetryAfter)}, nil
}
