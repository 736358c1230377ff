package ratelimit

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Rate allows PerSecond requests on average and Burst at once. The zero Rate sets no
// limit.
type Rate struct{ PerSecond, Burst int }

// ParseRate parses "50/200": 50 requests a second, 200 at once. "off" is no limit.
func ParseRate(text string) (Rate, error) {
	if text == "off" {
		return Rate{}, nil
	}
	perSecond, burst, both := strings.Cut(text, "/")
	n, err := strconv.Atoi(perSecond)
	b, errBurst := strconv.Atoi(burst)
	const most = 1_000_000
	if !both || err != nil || errBurst != nil || n < 1 || b < n || b > most {
		return Rate{}, fmt.Errorf("%q is no rate: write 50/200 for 50 requests a second and 200 at once (the second not below the first), or off", text)
	}
	return Rate{n, b}, nil
}

// Off reports whether there is no limit.
func (r Rate) Off() bool { return r.PerSecond == 0 }

// Window returns how long an empty bucket takes to fill.
func (r Rate) Window() time.Duration {
	return time.Duration(r.Burst) * time.Second / time.Duration(r.PerSecond)
}

// Result is the state of a bucket after a request.
type Result struct {
	Allowed   bool
	Remaining int           // requests that would still pass now
	Reset     time.Duration // until the bucket is full
	Retry     time.Duration // until one more passes; 0 where this one does
}

// bucket takes a token from the bucket of a key.
type bucket interface {
	take(ctx context.Context, key string, r Rate) (Result, error)
}

// Limiter is safe for concurrent use.
type Limiter struct {
	shared bucket // nil: there is no Redis
	local  *memory
	log    *slog.Logger
}

// New creates a Limiter. Without a client it counts in this process. Keys in Redis
// begin with prefix.
func New(client *redis.Client, prefix string, log *slog.Logger) *Limiter {
	l := &Limiter{local: newMemory(), log: log}
	if client != nil {
		l.shared = newShared(client, prefix)
	}
	return l
}

// sharedTimeout bounds how long a request waits for Redis before this process decides
// alone.
const sharedTimeout = 100 * time.Millisecond

// Take takes a token from the bucket of key. While Redis is unavailable this process
// counts alone, so that requests do not fail for want of a counter.
func (l *Limiter) Take(ctx context.Context, key string, r Rate) Result {
	if r.Off() {
		return Result{Allowed: true}
	}
	if l.shared != nil {
		within, cancel := context.WithTimeout(ctx, sharedTimeout)
		defer cancel()
		result, err := l.shared.take(within, key, r)
		if err == nil {
			return result
		}
		l.log.Debug("rates are counted in this process: redis does not answer", "error", err)
	}
	return l.local.take(key, r, time.Now())
}
