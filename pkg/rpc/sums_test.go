package rpc_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quadrille/pkg/rpc"
)

// sum has the params of a call whose result the caller can check: no two sums are equal.
type sum struct {
	A    int64         `json:"a"`
	B    int64         `json:"b"`
	Wait time.Duration `json:"wait"` // before it is answered, however late that is
}

// adder adds numbers and counts the calls.
type adder struct {
	*rpc.Server

	done atomic.Int64
}

func newAdder() *adder {
	s := &adder{Server: rpc.NewServer(rpc.ServerConfig{})}
	rpc.Register(s.Server, "add", func(_ context.Context, p sum) (int64, error) {
		time.Sleep(p.Wait)
		s.done.Add(1)
		return p.A + p.B, nil
	})
	return s
}

// numbers gives each call different numbers.
var numbers atomic.Int64

// add makes one call with a deadline and reports whether it succeeded. The test fails if add gets
// another call's result, an unclear error, or a result long after the deadline.
func add(t *testing.T, c *rpc.Client, within, wait time.Duration) bool {
	t.Helper()
	const slack = 5 * time.Second // of a machine that is busy
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	n, began := numbers.Add(1), time.Now()
	got, err := rpc.Call[int64](ctx, c, "add", sum{A: n, B: 7 * n, Wait: wait})
	if took := time.Since(began); took > within+slack {
		t.Errorf("a call had %s and took %s: %v", within, took, err)
	}
	var said *rpc.Error
	switch {
	case err == nil && got != 8*n:
		t.Errorf("%d + %d is answered %d", n, 7*n, got)
	case err == nil:
		return true
	case errors.As(err, &said) && said.Code == rpc.CodeExpired:
	case !errors.Is(err, rpc.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded):
		t.Errorf("the error says neither that nothing answers nor that time is up: %v", err)
	}
	return false
}

// Of thousands of concurrent calls over one client, half get their reply too late. No call gets
// the reply of another.
func TestLateRepliesAreDropped(t *testing.T) {
	for name, open := range drivers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := open(t)
			d.serve(t, newAdder().Server)
			c := d.dial(t)
			callers := 1000
			if name == "redis per call" || name == "http" {
				callers = 100 // each has a connection
			}
			var answered, not atomic.Int64
			var calling sync.WaitGroup
			for range callers {
				calling.Go(func() {
					for range 4 {
						within, wait := time.Second, time.Duration(0)
						if rand.IntN(2) == 0 {
							within, wait = 20*time.Millisecond, time.Duration(rand.IntN(40))*time.Millisecond
						}
						if add(t, c, within, wait) {
							answered.Add(1)
						} else {
							not.Add(1)
						}
					}
				})
			}
			calling.Wait()
			t.Logf("%d answered, %d too late", answered.Load(), not.Load())
			if not.Load() == 0 {
				t.Error("none was late")
			}
			for range 20 { // whatever was late has gone by then
				if !add(t, c, 30*time.Second, 0) {
					t.Error("not answered afterwards")
				}
			}
		})
	}
}
