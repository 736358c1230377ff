package ratelimit

import (
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"quadrille/test/harness/parts"
)

func TestParseRate(t *testing.T) {
	for text, want := range map[string]Rate{"50/200": {50, 200}, "1/1": {1, 1}, "off": {}} {
		if got, err := ParseRate(text); err != nil || got != want {
			t.Errorf("%s is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "50", "50/", "/5", "0/5", "-1/5", "5/4", "5/x", "5/9999999", "5/6/7", "on"} {
		if got, err := ParseRate(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

// both runs a test on the buckets in memory and on those in Redis.
func both(t *testing.T, test func(t *testing.T, l *Limiter)) {
	t.Run("memory", func(t *testing.T) { test(t, New(nil, "", slog.New(slog.DiscardHandler))) })
	t.Run("redis", func(t *testing.T) {
		options, err := redis.ParseURL(parts.Redis(t))
		if err != nil {
			t.Fatal(err)
		}
		client := redis.NewClient(options)
		defer client.Close()
		test(t, New(client, "test."+uuid.NewString()+".", slog.New(slog.DiscardHandler)))
	})
}

// A bucket gives what is in it, then refuses and says when to come back, and does
// so for each key alone.
func TestABucketEmpties(t *testing.T) {
	both(t, func(t *testing.T, l *Limiter) {
		slow := Rate{PerSecond: 1, Burst: 5}
		for n := range 5 {
			if r := l.Take(t.Context(), "ann", slow); !r.Allowed || r.Remaining != 4-n || r.Retry != 0 {
				t.Fatalf("request %d: %+v", n+1, r)
			}
		}
		r := l.Take(t.Context(), "ann", slow)
		if r.Allowed || r.Remaining != 0 || r.Retry <= 0 || r.Retry > time.Second || r.Reset <= 3*time.Second || r.Reset > 5*time.Second {
			t.Errorf("the sixth: %+v", r)
		}
		if r := l.Take(t.Context(), "bob", slow); !r.Allowed {
			t.Errorf("another's: %+v", r)
		}
		if r := l.Take(t.Context(), "ann", Rate{}); !r.Allowed {
			t.Errorf("without a limit: %+v", r)
		}
	})
}

// While Redis is away, requests are still counted, and pass.
func TestRedisAway(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	defer client.Close()
	l := New(client, "", slog.New(slog.DiscardHandler))
	allowed := 0
	for range 10 {
		if l.Take(t.Context(), "ann", Rate{PerSecond: 1, Burst: 3}).Allowed {
			allowed++
		}
	}
	if allowed != 3 {
		t.Errorf("%d of 10 passed, want 3", allowed)
	}
}

// Memory grows with those who come just now, not with all who ever came.
func TestFullBucketsAreForgotten(t *testing.T) {
	m, now := newMemory(), time.Now()
	for n := range 1000 {
		m.take(strconv.Itoa(n), Rate{PerSecond: 100, Burst: 100}, now)
	}
	m.take("x", Rate{PerSecond: 100, Burst: 100}, now.Add(2*sweepInterval))
	if len(m.buckets) != 1 {
		t.Errorf("%d buckets are kept", len(m.buckets))
	}
}
