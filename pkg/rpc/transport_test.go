package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"quadrille/pkg/rpc"
	"quadrille/test/harness/parallel"
	"quadrille/test/harness/parts"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(workerURL); url != "" {
		work(url, os.Getenv(workerQueue))
		return
	}
	parallel.Raise(8) // they wait, most of the time
	goleak.VerifyTestMain(m)
}

// driver gives the suite access to one kind of transport.
type driver struct {
	// serve starts another server. end stops it, and waits for that unless it dies.
	// A server that dies leaves its requests in progress unfinished.
	serve func(t *testing.T, s *rpc.Server) (end func(dies bool))
	// dial returns another client.
	dial func(t *testing.T) *rpc.Client
	// takesBack means that another server answers the requests of a dead one.
	takesBack bool
	// queues means that requests wait for a server that starts later.
	queues bool
}

func drivers(t *testing.T) map[string]func(t *testing.T) driver {
	t.Helper()
	return map[string]func(t *testing.T) driver{
		"http":           overHTTP,
		"rabbitmq":       func(t *testing.T) driver { return overRabbitMQ(t, parts.RabbitMQ(t)) },
		"redis":          func(t *testing.T) driver { return overRedis(t, parts.Redis(t), false) },
		"redis per call": func(t *testing.T) driver { return overRedis(t, parts.Redis(t), true) },
	}
}

func overHTTP(t *testing.T) driver {
	t.Helper()
	var mu sync.Mutex
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		h := handler
		mu.Unlock()
		if h == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return driver{
		serve: func(_ *testing.T, s *rpc.Server) func(bool) {
			mu.Lock()
			defer mu.Unlock()
			handler = rpc.HTTPHandler(s)
			return func(bool) {
				server.CloseClientConnections()
				mu.Lock()
				defer mu.Unlock()
				handler = nil
			}
		},
		dial: func(t *testing.T) *rpc.Client {
			c := rpc.NewClient(rpc.NewHTTP(server.URL, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}))
			t.Cleanup(func() { _ = c.Close() })
			return c
		},
	}
}

// echoServer returns its params and counts the calls. Its method wait returns when the test
// releases it, or at the deadline of the call.
type echoServer struct {
	*rpc.Server

	calls atomic.Int64
	began chan struct{} // a wait has begun
	let   chan struct{}
}

type text struct {
	Text string `json:"text"`
}

func newEcho() *echoServer {
	e := &echoServer{Server: rpc.NewServer(rpc.ServerConfig{MaxBytes: 4 << 20}), began: make(chan struct{}, 100), let: make(chan struct{})}
	rpc.Register(e.Server, "echo", func(_ context.Context, p text) (string, error) {
		e.calls.Add(1)
		return p.Text, nil
	})
	rpc.Register(e.Server, "wait", func(ctx context.Context, p text) (string, error) {
		e.calls.Add(1)
		e.began <- struct{}{}
		select {
		case <-e.let:
		case <-ctx.Done():
		}
		return p.Text, nil
	})
	rpc.Register(e.Server, "insist", func(_ context.Context, p text) (string, error) { // minds no deadline
		e.began <- struct{}{}
		<-e.let
		return p.Text, nil
	})
	rpc.Register(e.Server, "refuse", func(context.Context, rpc.None) (string, error) { return "", rpc.Errorf(7, "no") })
	return e
}

func TestTransportsPassSuite(t *testing.T) {
	for name, open := range drivers(t) {
		for what, test := range map[string]func(*testing.T, driver){
			"called, refused, notified": calls,
			"batches":                   batches,
			"a thousand at a time, each its own answer":   many,
			"two clients, each its own answers":           twoClients,
			"large and odd texts":                         large,
			"the deadline is honoured, late replies drop": deadline,
			"nobody serves":                               nobody,
			"what is late is not begun":                   late,
			"a server dies over a call":                   dies,
			"closed under calls":                          closed,
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				test(t, open(t))
			})
		}
	}
}

func calls(t *testing.T, d driver) {
	e := newEcho()
	d.serve(t, e.Server)
	c := d.dial(t)
	if got, err := rpc.Call[string](t.Context(), c, "echo", text{"hello"}); err != nil || got != "hello" {
		t.Fatalf("got %q, %v", got, err)
	}
	if got, err := rpc.Call[string](t.Context(), c, "echo", []string{"by position"}); err != nil || got != "by position" {
		t.Errorf("got %q, %v", got, err)
	}
	var said *rpc.Error
	if _, err := rpc.Call[string](t.Context(), c, "refuse", nil); !errors.As(err, &said) || said.Code != 7 || said.Message != "no" {
		t.Errorf("refused with %v", err)
	}
	if _, err := rpc.Call[string](t.Context(), c, "nothing", nil); !errors.As(err, &said) || said.Code != rpc.CodeNoMethod {
		t.Errorf("refused with %v", err)
	}
	before := e.calls.Load()
	if err := c.Notify(t.Context(), "echo", text{"noted"}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); e.calls.Load() == before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the notification did not arrive")
		}
	}
}

func batches(t *testing.T, d driver) {
	d.serve(t, newEcho().Server)
	c := d.dial(t)
	var b rpc.Batch
	var one, two string
	b.Notify("echo", text{"noted"})
	first := b.Call("echo", text{"one"}, &one)
	bad := b.Call("refuse", nil, nil)
	second := b.Call("echo", text{"two"}, &two)
	if err := c.Send(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	var said *rpc.Error
	if one != "one" || two != "two" || b.Err(first) != nil || b.Err(second) != nil || !errors.As(b.Err(bad), &said) || said.Code != 7 {
		t.Errorf("got %q %q, %v %v %v", one, two, b.Err(first), b.Err(bad), b.Err(second))
	}
	var notes rpc.Batch
	notes.Notify("echo", text{"a"})
	notes.Notify("echo", text{"b"})
	if err := c.Send(t.Context(), &notes); err != nil {
		t.Error(err)
	}
	if err := c.Send(t.Context(), &rpc.Batch{}); err != nil {
		t.Error(err)
	}
}

func callMany(t *testing.T, c *rpc.Client, name string, n int) {
	t.Helper()
	var calling sync.WaitGroup
	for i := range n {
		calling.Go(func() {
			want := fmt.Sprint(name, i)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if got, err := rpc.Call[string](ctx, c, "echo", text{want}); err != nil || got != want {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
		})
	}
	calling.Wait()
}

func many(t *testing.T, d driver) {
	one, two := newEcho(), newEcho()
	d.serve(t, one.Server)
	if d.queues {
		d.serve(t, two.Server)
	}
	callMany(t, d.dial(t), "call", 1000)
	if n := one.calls.Load() + two.calls.Load(); n != 1000 {
		t.Errorf("%d calls were carried out", n)
	}
	if d.queues && (one.calls.Load() == 0 || two.calls.Load() == 0) {
		t.Errorf("the servers do not share: %d and %d", one.calls.Load(), two.calls.Load())
	}
}

func twoClients(t *testing.T, d driver) {
	d.serve(t, newEcho().Server)
	var both sync.WaitGroup
	for _, name := range []string{"a", "b"} {
		c := d.dial(t)
		both.Go(func() { callMany(t, c, name, 100) })
	}
	both.Wait()
}

func large(t *testing.T, d driver) {
	d.serve(t, newEcho().Server)
	c := d.dial(t)
	for _, want := range []string{"", strings.Repeat("x", 1<<20), "\x00\u2028<>&\"\\ ü 💃", `{"id":"another"}`} {
		if got, err := rpc.Call[string](t.Context(), c, "echo", text{want}); err != nil || got != want {
			t.Errorf("%.20q came back as %.20q, %v", want, got, err)
		}
	}
}

func deadline(t *testing.T, d driver) {
	e := newEcho()
	d.serve(t, e.Server)
	c := d.dial(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := rpc.Call[string](ctx, c, "insist", text{"late"})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("after %s", took)
	}
	close(e.let)
	callMany(t, c, "after", 20) // none of them gets the late reply
}

func nobody(t *testing.T, d driver) {
	c := d.dial(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := rpc.Call[string](ctx, c, "echo", text{"x"}, rpc.Idempotent()); err == nil {
		t.Error("answered by nobody")
	}
	if ctx.Err() == nil && d.queues {
		t.Error("gave up before the deadline")
	}
}

func late(t *testing.T, d driver) {
	if !d.queues {
		return
	}
	c, e := d.dial(t), newEcho()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := rpc.Call[string](ctx, c, "echo", text{"late"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	d.serve(t, e.Server)
	if got, err := rpc.Call[string](t.Context(), c, "echo", text{"now"}); err != nil || got != "now" {
		t.Errorf("got %q, %v", got, err)
	}
	if n := e.calls.Load(); n != 1 {
		t.Errorf("%d calls were carried out, one of them too late", n)
	}
}

func dies(t *testing.T, d driver) {
	first, second := newEcho(), newEcho()
	end := d.serve(t, first.Server)
	c := d.dial(t)
	got := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // a dead server's requests are taken back after 10 s
	defer cancel()
	go func() {
		answer, err := rpc.Call[string](ctx, c, "wait", text{"x"}, rpc.Idempotent())
		if err == nil && answer != "x" {
			err = fmt.Errorf("answer %q", answer)
		}
		got <- err
	}()
	<-first.began
	end(true)
	close(second.let)
	d.serve(t, second.Server)
	err := <-got
	close(first.let)
	if err != nil {
		t.Errorf("another server was there, and the caller got %v", err)
	}
}

func closed(t *testing.T, d driver) {
	e := newEcho()
	defer close(e.let)
	d.serve(t, e.Server)
	c := d.dial(t)
	got := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	go func() { _, err := rpc.Call[string](ctx, c, "wait", text{"x"}); got <- err }()
	<-e.began
	for range 2 {
		if err := c.Close(); err != nil && !strings.Contains(err.Error(), "closed") {
			t.Error(err)
		}
	}
	if err := <-got; err == nil {
		t.Error("a call on a closed client was answered")
	}
}
