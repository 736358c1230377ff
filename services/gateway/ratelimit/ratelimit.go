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

// ParseRate parses a rate such as "50/200": 50 requests a second on average, 200 at
// once. "off" gives the zero Rate.
func ParseRate(text string) (Rate, error) {
	if text == "off" {
		return Rate{}, nil
	}
	perSecond, burst, both := strings.Cut(text, "/")
	n, err := strconv.Atoi(perSecond)
	b, errBurst := strconv.Atoi(burst)
	const most = 1_000_000
	if !both || err != nil || errBurst != nil || n < 1 || b < n || b > most {
		return Rate{}, fmt.Errorf("%q is not a rate: write 50/200 for 50 requests a second and 200 at once (the second not below the first), or off", text)
	}
	return Rate{n, b}, nil
}

// Off reports whether there is no limit.
func (r Rate) Off() bool { return r.PerSecond == 0 }

// Window returns the time to fill an empty bucket.
func (r Rate) Window() time.Duration {
	return time.Duration(r.Burst) * time.Second / time.Duration(r.PerSecond)
}

// Result is the state of a bucket after a request.
type Result struct {
	Allowed   bool
	Remaining int           // further requests allowed now
	Reset     time.Duration // until the bucket is full
	Retry     time.Duration // until the next request is allowed; 0 if this one is
}

// bucket takes a token from the bucket of a key.
type bucket interface {
	take(ctx context.Context, key string, r Rate) (Result, error)
}

// Limiter limits the rate of requests by key. It is safe for concurrent use.
type Limiter struct {
	shared bucket // in Redis; nil: Redis is not configured
	local  *memory
	log    *slog.Logger
}

// New creates a Limiter that counts in Redis, under keys that begin with prefix, or in
// this process if client is nil.
func New(client *redis.Client, prefix string, log *slog.Logger) *Limiter {
	l := &Limiter{local: newMemory(), log: log}
	if client != nil {
		l.shared = newShared(client, prefix)
	}
	return l
}

// sharedTimeout bounds how long a request waits for Redis before this process counts it
// alone.
const sharedTimeout = 100 * time.Millisecond

// Take takes a token from the bucket of key. While Redis is unavailable this process
// counts alone, so that requests do not fail with Redis; the limit then applies to each
// process.
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
		l.log.Debug("redis does not respond: this process counts alone", "error", err)
	}
	return l.local.take(key, r, time.Now())
}
