package rpc_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"quadrille/pkg/rpc"
	"quadrille/pkg/rpc/amqprpc"
	"quadrille/pkg/rpc/redisrpc"
	"quadrille/test/harness/parts"
)

// endings returns servers that must stop within half a second.
func endings(t *testing.T, test func(t *testing.T, serve func(*rpc.Server) (stop context.CancelFunc, ended <-chan struct{}), d driver)) {
	t.Helper()
	const grace = 500 * time.Millisecond
	t.Run("rabbitmq", func(t *testing.T) {
		t.Parallel()
		url := parts.RabbitMQ(t)
		name := queue(t, url)
		test(t, func(s *rpc.Server) (context.CancelFunc, <-chan struct{}) {
			return serveRabbitMQ(t, amqprpc.ServerConfig{Session: session(t, "server", url), Queue: name, Server: s, Grace: grace})
		}, rabbitMQ(url, name))
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		url := parts.Redis(t)
		name := list(t, connect(t, url))
		test(t, func(s *rpc.Server) (context.CancelFunc, <-chan struct{}) {
			return serveRedis(t, redisrpc.ServerConfig{Redis: connect(t, url), List: name, Server: s, Grace: grace})
		}, overRedisList(url, name, false))
	})
}

// A stopping server answers the requests in progress, and leaves new ones to other servers.
func TestStoppingServerFinishesRequestsInProgress(t *testing.T) {
	endings(t, func(t *testing.T, serve func(*rpc.Server) (context.CancelFunc, <-chan struct{}), d driver) {
		first, second := newEcho(), newEcho()
		stop, ended := serve(first.Server)
		c := d.dial(t)
		answered := make(chan error, 2)
		call := func(method string) {
			ctx, cancel := context.WithTimeout(t.Context(), longDeadline)
			defer cancel()
			_, err := rpc.Call[string](ctx, c, method, text{"x"})
			answered <- err
		}
		go call("wait")
		<-first.began
		stop()
		close(first.let)
		if err := <-answered; err != nil {
			t.Error(err)
		}
		<-ended
		go call("echo")
		d.serve(t, second.Server)
		if err := <-answered; err != nil {
			t.Error(err)
		}
		if n := first.calls.Load(); n != 1 {
			t.Errorf("the one that had ended took %d calls", n)
		}
	})
}

// A request that does not finish within Grace goes to another server at once, whether or not its
// method observes the context. The server stops in any case.
func TestStoppingServerRequeuesUnfinishedRequests(t *testing.T) {
	endings(t, func(t *testing.T, serve func(*rpc.Server) (context.CancelFunc, <-chan struct{}), d driver) {
		let := make(chan struct{})
		var first atomic.Bool
		began := make(chan struct{})
		s := rpc.NewServer(rpc.ServerConfig{})
		rpc.Register(s, "long", func(ctx context.Context, p text) (string, error) {
			if !first.CompareAndSwap(false, true) {
				return "the other", nil
			}
			close(began)
			<-ctx.Done()
			if p.Text == "insists" {
				<-let
			}
			return "the first", ctx.Err()
		})
		for _, how := range []string{"minds", "insists"} {
			first.Store(false)
			began = make(chan struct{})
			stop, ended := serve(s)
			c := d.dial(t)
			answered := make(chan string, 1)
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), longDeadline)
				defer cancel()
				got, err := rpc.Call[string](ctx, c, "long", text{how})
				if err != nil {
					got = err.Error()
				}
				answered <- got
			}()
			<-began
			told := time.Now()
			stop()
			<-ended
			if took := time.Since(told); took > 4*time.Second {
				t.Errorf("%s: it ended after %s", how, took)
			}
			end := d.serve(t, s)
			if got := <-answered; got != "the other" {
				t.Errorf("%s: answered %s", how, got)
			}
			end(false)
		}
		close(let)
	})
}

// The queue existed all the time; the request is dropped because of its deadline.
func TestExpiredRequestIsNotExecuted(t *testing.T) {
	queued(t, func(t *testing.T, d driver) {
		s := newAdder()
		d.serve(t, s.Server)(false)
		c := d.dial(t)
		for range 20 {
			if add(t, c, 20*time.Millisecond, 0) {
				t.Fatal("answered by nobody")
			}
		}
		d.serve(t, s.Server)
		if !add(t, c, longDeadline, 0) || s.done.Load() != 1 {
			t.Errorf("%d calls were carried out", s.done.Load())
		}
	})
}
