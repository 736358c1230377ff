package ratelimit

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"quadrille/test/harness/parts"
)

// A bucket that was written before the clock of Redis was set back by an hour does not
// refuse its caller for an hour; one that is merely empty goes on refusing.
func TestABucketOfTheFuture(t *testing.T) {
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
		t.Errorf("an empty bucket gives %+v", got)
	}
}
