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

// patience is the deadline of calls that are to end long before it.
const patience = 25 * time.Second

// A queue that was served and is not any more: callers learn it long before their
// deadlines, all of them, those that come later as well.
func TestNobodyServesAnyMore(t *testing.T) {
	queued(t, func(t *testing.T, d driver) {
		e := newEcho()
		d.serve(t, e.Server)(false)
		c := d.dial(t)
		for range 2 {
			var calling sync.WaitGroup
			for range 50 {
				calling.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					began := time.Now()
					_, err := rpc.Call[string](ctx, c, "echo", text{"x"})
					if took := time.Since(began); !errors.Is(err, rpc.ErrUnavailable) || !strings.Contains(err.Error(), "nobody serves") || took > 8*time.Second {
						t.Errorf("after %s: %v", took, err)
					}
				})
			}
			calling.Wait()
		}
		d.serve(t, e.Server)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if got, err := rpc.Call[string](ctx, c, "echo", text{"again"}); err != nil || got != "again" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

// A server that is started again within a second or so is not missed.
func TestServerIsRestartedUnderACall(t *testing.T) {
	queued(t, func(t *testing.T, d driver) {
		e := newEcho()
		d.serve(t, e.Server)(false)
		c := d.dial(t)
		answered := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
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

// A server that is busy, with calls queueing behind, is there, and so is one that
// finishes the last of its calls before it ends.
func TestABusyServerIsThere(t *testing.T) {
	queued(t, func(t *testing.T, d driver) {
		e := newEcho()
		end := d.serve(t, e.Server)
		c := d.dial(t)
		const atOnce = 64 // so many does a server work on
		var calling sync.WaitGroup
		call := func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
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

// What one list's servers lack is no other's business, although they share a link.
func TestAwayIsToldByList(t *testing.T) {
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
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, err = rpc.Call[string](ctx, rpc.NewClient(transport), "wait", text{"x"})
		return err
	}
	answered := make(chan error, 1)
	go func() { answered <- call(served) }()
	<-e.began
	if err := call(away); !errors.Is(err, rpc.ErrUnavailable) {
		t.Errorf("the one that nobody serves: %v", err)
	}
	close(e.let)
	if err := <-answered; err != nil {
		t.Errorf("the one that works: %v", err)
	}
}
