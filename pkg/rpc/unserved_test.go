package rpc_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"quadrille/pkg/rpc"
	"quadrille/pkg/rpc/redisrpc"
	"quadrille/test/harness/parts"
)

// queued runs test with the transports whose requests wait for servers.
func queued(t *testing.T, test func(t *testing.T, d driver)) {
	t.Helper()
	for _, name := range []string{"rabbitmq", "redis"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, drivers(t)[name](t))
		})
	}
}

// longDeadline is for calls that must fail long before it.
const longDeadline = 25 * time.Second

// After a queue has lost its servers, pending and new calls fail long before their deadlines.
func TestCallFailsEarlyWhenServersAreGone(t *testing.T) {
	queued(t, func(t *testing.T, d driver) {
		e := newEcho()
		d.serve(t, e.Server)(false)
		c := d.dial(t)
		for range 2 {
			var calling sync.WaitGroup
			for range 50 {
				calling.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), longDeadline)
					defer cancel()
					began := time.Now()
					_, err := rpc.Call[string](ctx, c, "echo", text{"x"})
					if took := time.Since(began); !errors.Is(err, rpc.ErrUnavailable) || !strings.Contains(err.Error(), "no server") || took > 8*time.Second {
						t.Errorf("after %s: %v", took, err)
					}
				})
			}
			calling.Wait()
		}
		d.serve(t, e.Server)
		ctx, cancel := context.WithTimeout(t.Context(), longDeadline)
		defer cancel()
		if got, err := rpc.Call[string](ctx, c, "echo", text{"again"}); err != nil || got != "again" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

// A restart takes about a second.
func TestCallSurvivesServerRestart(t *testing.T) {
	queued(t, func(t *testing.T, d driver) {
		e := newEcho()
		d.serve(t, e.Server)(false)
		c := d.dial(t)
		answered := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), longDeadline)
			defer cancel()
			_, err := rpc.Call[string](ctx, c, "echo", text{"x"})
			answered <- err
		}()
		time.Sleep(1200 * time.Millisecond) // after the first question, before the second
		d.serve(t, e.Server)
		if err := <-answered; err != nil {
			t.Error(err)
		}
	})
}

// Neither a server with a queue of calls nor one that finishes its last calls is absent.
func TestBusyServerCountsAsPresent(t *testing.T) {
	queued(t, func(t *testing.T, d driver) {
		e := newEcho()
		end := d.serve(t, e.Server)
		c := d.dial(t)
		const atOnce = 64 // so many does a server work on
		var calling sync.WaitGroup
		call := func() {
			ctx, cancel := context.WithTimeout(t.Context(), longDeadline)
			defer cancel()
			if _, err := rpc.Call[string](ctx, c, "wait", text{"x"}); err != nil {
				t.Error(err)
			}
		}
		for range atOnce {
			calling.Go(call)
		}
		for range atOnce {
			<-e.began
		}
		calling.Go(call)                    // waits in the queue
		time.Sleep(3500 * time.Millisecond) // more than two questions
		for range atOnce + 1 {
			e.let <- struct{}{}
		}
		calling.Wait()
		<-e.began // the one that had waited
		calling.Go(call)
		<-e.began
		ended := make(chan struct{})
		go func() { end(false); close(ended) }()
		time.Sleep(3500 * time.Millisecond)
		close(e.let)
		calling.Wait()
		<-ended
	})
}

// Lists without servers do not affect other lists of the same link.
func TestAbsenceIsDetectedPerList(t *testing.T) {
	t.Parallel()
	url := parts.Redis(t)
	r := connect(t, url)
	link := redisrpc.NewLink(r)
	t.Cleanup(link.Close)
	served, away := list(t, r), list(t, r)
	e := newEcho()
	serveRedis(t, redisrpc.ServerConfig{Redis: connect(t, url), List: served, Server: e.Server})
	call := func(list string) error {
		transport, err := redisrpc.New(redisrpc.Config{Link: link, List: list})
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), longDeadline)
		defer cancel()
		_, err = rpc.Call[string](ctx, rpc.NewClient(transport), "wait", text{"x"})
		return err
	}
	answered := make(chan error, 1)
	go func() { answered <- call(served) }()
	<-e.began
	if err := call(away); !errors.Is(err, rpc.ErrUnavailable) {
		t.Errorf("the list without servers: %v", err)
	}
	close(e.let)
	if err := <-answered; err != nil {
		t.Errorf("the one that works: %v", err)
	}
}
