package ratelimit

import (
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
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

// both runs a test with buckets in memory and with buckets in Redis.
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

// Each key has a bucket of its own. An empty one refuses and returns when to retry.
func TestRefusesWhenBucketIsEmpty(t *testing.T) {
	both(t, func(t *testing.T, l *Limiter) {
		slow := Rate{PerSecond: 1, Burst: 5}
		for n := range 5 {
			if r := l.Take(t.Context(), "ann", slow); !r.Allowed || r.Remaining != 4-n || r.Retry != 0 {
				t.Fatalf("request %d: %+v", n+1, r)
			}
		}
		r := l.Take(t.Context(), "ann", slow)
		if r.Allowed || r.Remaining != 0 || r.Retry <= 0 || r.Retry > time.Second || r.Reset <= 3*time.Second || r.Reset > 5*time.Second {
			t.Errorf("request 6: %+v", r)
		}
		if r := l.Take(t.Context(), "bob", slow); !r.Allowed {
			t.Errorf("another key: %+v", r)
		}
		if r := l.Take(t.Context(), "ann", Rate{}); !r.Allowed {
			t.Errorf("without a limit: %+v", r)
		}
	})
}

func TestCountsInProcessWhileRedisIsUnavailable(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	defer client.Close()
	l := New(client, "", slog.New(slog.DiscardHandler))
	var allowed atomic.Int32
	var takes sync.WaitGroup
	for range 10 { // concurrently: one after another they may last long enough for a refill
		takes.Go(func() {
			if l.Take(t.Context(), "ann", Rate{PerSecond: 1, Burst: 3}).Allowed {
				allowed.Add(1)
			}
		})
	}
	takes.Wait()
	if allowed.Load() != 3 {
		t.Errorf("%d of 10 passed, want 3", allowed.Load())
	}
}

func TestDropsFullBuckets(t *testing.T) {
	m, now := newMemory(), time.Now()
	for n := range 1000 {
		m.take(strconv.Itoa(n), Rate{PerSecond: 100, Burst: 100}, now)
	}
	m.take("x", Rate{PerSecond: 100, Burst: 100}, now.Add(2*sweepInterval))
	if len(m.buckets) != 1 {
		t.Errorf("%d buckets left", len(m.buckets))
	}
}

// A bucket written before the clock of Redis was set back by an hour does not refuse its
// caller for an hour. A bucket that is only empty keeps refusing.
func TestResetsBucketWhenClockIsSetBack(t *testing.T) {
	t.Parallel()
	options, err := redis.ParseURL(parts.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	prefix, rate := "t"+uuid.NewString()+".", Rate{PerSecond: 1, Burst: 3}
	l := New(client, prefix, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { client.Del(t.Context(), "rate:"+prefix+"ann") })
	began := time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC) // redis_rate counts from here
	future := time.Since(began).Seconds() + time.Hour.Seconds()
	if err := client.Set(t.Context(), "rate:"+prefix+"ann", future, 2*time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	for n := range rate.Burst {
		if got := l.Take(t.Context(), "ann", rate); !got.Allowed {
			t.Errorf("request %d is refused: %+v", n, got)
		}
	}
	if got := l.Take(t.Context(), "ann", rate); got.Allowed || got.Retry > 2*time.Second {
		t.Errorf("empty bucket: %+v", got)
	}
}
