package sqlitelog_test

import (
	"path/filepath"
	"testing"
	"time"

	"quadrille/pkg/bus"
	"quadrille/pkg/bus/bustest"
	"quadrille/pkg/bus/sqlitelog"
)

func TestDeletesEventsBeyondTheLimits(t *testing.T) {
	for name, tc := range map[string]struct {
		age   time.Duration
		bytes int64
		left  int
	}{
		"by age": {age: time.Hour, left: 30}, "by bytes": {bytes: 20 << 10, left: 18}, "both": {age: time.Hour, bytes: 20 << 10, left: 18},
		"of bytes the newest stays": {bytes: 1, left: 1}, "neither": {left: 130},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log.db")
			open := func(age time.Duration, bytes int64) *sqlitelog.Log {
				b, err := sqlitelog.Open(sqlitelog.Config{Path: path, MaxAge: age, MaxBytes: bytes})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = b.Close() })
				return b
			}
			fill := open(0, 0)
			for _, batch := range [][]bus.Message{bustest.Messages(t, 100, time.Now().Add(-2*time.Hour)), bustest.Messages(t, 29, time.Now())} {
				if err := fill.Publish(t.Context(), "sales", batch); err != nil {
					t.Fatal(err)
				}
			}
			if err := fill.Publish(t.Context(), "inventory", bustest.Messages(t, 3, time.Now().Add(-2*time.Hour))); err != nil {
				t.Fatal(err)
			}
			b := open(tc.age, tc.bytes)
			if err := b.Publish(t.Context(), "sales", bustest.Messages(t, 1, time.Now())); err != nil {
				t.Fatal(err)
			}
			for stream, want := range map[string]int{"sales": tc.left, "inventory": 3} {
				n, err := bus.Count(t.Context(), b, stream, 0, func(int64) {})
				if err != nil || int(n) < want-1 || int(n) > want+1 {
					t.Errorf("%s: %d events are left, %v; want %d", stream, n, err, want)
				}
			}
		})
	}
}
