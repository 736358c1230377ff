package ratelimit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const second = time.Second

// memory keeps buckets in this process. Full buckets are dropped.
type memory struct {
	mu      sync.Mutex
	buckets map[string]*rate.Limiter
	swept   time.Time
}

func newMemory() *memory { return &memory{buckets: map[string]*rate.Limiter{}} }

// Full buckets are dropped every sweepInterval. With sweepAt buckets or more they are
// dropped every second.
const (
	sweepInterval = time.Minute
	sweepAt       = 100_000
)

func (m *memory) take(key string, r Rate, now time.Time) Result {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep(now)
	b := m.buckets[key]
	if b == nil || b.Burst() != r.Burst || b.Limit() != rate.Limit(r.PerSecond) {
		b = rate.NewLimiter(rate.Limit(r.PerSecond), r.Burst)
		m.buckets[key] = b
	}
	allowed := b.AllowN(now, 1)
	tokens := b.TokensAt(now)
	result := Result{Allowed: allowed, Remaining: max(0, int(tokens)), Reset: timeFor(float64(r.Burst)-tokens, r)}
	if !allowed {
		result.Retry = timeFor(1-tokens, r)
	}
	return result
}

// timeFor returns the time in which the bucket gains this many tokens.
func timeFor(tokens float64, r Rate) time.Duration {
	return time.Duration(tokens / float64(r.PerSecond) * float64(time.Second))
}

// sweep drops full buckets: a missing bucket is equal to a full one.
func (m *memory) sweep(now time.Time) {
	if now.Sub(m.swept) < sweepInterval && len(m.buckets) < sweepAt || now.Sub(m.swept) < time.Second {
		return
	}
	m.swept = now
	for key, b := range m.buckets {
		if b.TokensAt(now) >= float64(b.Burst()) {
			delete(m.buckets, key)
		}
	}
}
