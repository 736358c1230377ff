package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	problem "quadrille/pkg/fault"
	"quadrille/pkg/rpc"
)

const mebibyte = 1 << 20

// echoAPI responds with the request that it got. Some of its paths have special effects.
func echoAPI() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo/", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		status, _ := strconv.Atoi(r.Header.Get("Want-Status"))
		w.Header()["Many"] = r.Header["Many"]
		w.Header().Set("Was", r.Method+" "+r.URL.EscapedPath()+"?"+r.URL.RawQuery)
		w.Header().Set("ETag", r.Header.Get("If-None-Match"))
		w.Header().Set("Connection", "close")
		w.WriteHeader(max(status, http.StatusOK))
		_, _ = w.Write(body)
	})
	mux.HandleFunc("/large/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.PathValue("n"))
		_, _ = w.Write(make([]byte, n))
	})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		<-r.Context().Done()
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		w.WriteHeader(http.StatusTeapot)
	})
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("secret") })
	mux.HandleFunc("/told", func(w http.ResponseWriter, r *http.Request) {
		deadline, _ := r.Context().Deadline()
		w.Header().Set("Deadline", deadline.Format(time.RFC3339Nano))
		w.Header().Set("Traceparent", r.Header.Get("Traceparent"))
		w.Header().Set("Tracestate", r.Header.Get("Tracestate"))
	})
	mux.HandleFunc("/silent", func(http.ResponseWriter, *http.Request) {})
	return mux
}

// tunnelled runs test with a client of echoAPI over each transport, and over plain HTTP for
// comparison.
func tunnelled(t *testing.T, test func(t *testing.T, hc *http.Client, base string)) {
	t.Helper()
	t.Run("plain", func(t *testing.T) {
		server := httptest.NewUnstartedServer(echoAPI())
		server.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handler that panics
		server.Start()
		t.Cleanup(server.Close)
		test(t, server.Client(), server.URL)
	})
	for _, name := range slices.Sorted(maps.Keys(drivers(t))) {
		t.Run(name, func(t *testing.T) {
			d := drivers(t)[name](t)
			s := rpc.NewServer(rpc.ServerConfig{})
			rpc.ServeHTTP(s, echoAPI())
			d.serve(t, s)
			client := d.dial(t)
			rt := rpc.NewRoundTripper(func(string) (*rpc.Client, error) { return client, nil })
			t.Cleanup(func() { _ = rt.Close() })
			hc := &http.Client{Transport: rt}
			waitUntilServed(t, hc)
			test(t, hc, "amqp://queue")
		})
	}
}

// waitUntilServed waits until the server's queue exists.
func waitUntilServed(t *testing.T, hc *http.Client) {
	t.Helper()
	for {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "amqp://queue/silent", nil)
		answer, err := hc.Do(r)
		if err == nil {
			_ = answer.Body.Close()
			return
		}
		if !errors.Is(err, rpc.ErrUnavailable) {
			t.Fatal(err)
		}
	}
}

// fetch sends a request and reads the response.
func fetch(t interface {
	Helper()
	Fatal(...any)
}, hc *http.Client, r *http.Request) (answer *http.Response, body []byte) {
	t.Helper()
	answer, err := hc.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err = io.ReadAll(answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer, body
}

func TestTunnelPassesRequestAndResponseUnchanged(t *testing.T) {
	tunnelled(t, func(t *testing.T, hc *http.Client, base string) {
		rapid.Check(t, func(rt *rapid.T) {
			body := rapid.SliceOfN(rapid.Byte(), 0, 4000).Draw(rt, "body")
			method := rapid.SampledFrom([]string{"GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"}).Draw(rt, "method")
			status := rapid.SampledFrom([]int{200, 201, 204, 304, 400, 404, 412, 422, 503}).Draw(rt, "status")
			path := "/echo/a%2Fb/" + rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._~-]{0,20}`).Draw(rt, "path") + "?q=a+b&q=%20c%26&empty="
			r, err := http.NewRequestWithContext(t.Context(), method, base+path, bytes.NewReader(body))
			if err != nil {
				rt.Fatal(err)
			}
			r.Header["Many"] = []string{"one", "two; ü"}
			r.Header.Set("If-None-Match", `"17"`)
			r.Header.Set("Want-Status", strconv.Itoa(status))
			answer, got := fetch(rt, hc, r)
			if method == http.MethodHead || status == 204 || status == 304 {
				body = []byte{}
			}
			h := answer.Header
			if answer.StatusCode != status || !bytes.Equal(got, body) || h.Get("Was") != method+" "+path ||
				h.Get("ETag") != `"17"` || !slices.Equal(h["Many"], r.Header["Many"]) {
				rt.Fatalf("%s %s came back as %s %v, %d bytes of %d", method, path, answer.Status, h, len(got), len(body))
			}
		})
	})
}

func TestTunnelRefusesLargeBodies(t *testing.T) {
	tunnelled(t, func(t *testing.T, hc *http.Client, base string) {
		if strings.HasPrefix(base, "http") {
			return // it carries anything
		}
		request := func(path string, size int) (int, string) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+path, bytes.NewReader(make([]byte, size)))
			if err != nil {
				t.Fatal(err)
			}
			answer, body := fetch(t, hc, r)
			return answer.StatusCode, fmt.Sprint(problem.FromResponse(answer.StatusCode, answer.Header.Get("Content-Type"), body))
		}
		for _, path := range []string{"/echo/", "/large/1048576"} {
			if status, _ := request(path, mebibyte); status != http.StatusOK {
				t.Errorf("1 MiB at %s gives %d", path, status)
			}
		}
		if status, why := request("/echo/", mebibyte+1); status != 413 || !strings.Contains(why, "1048576") {
			t.Errorf("a body of 1 MiB and a byte gives %d %s", status, why)
		}
		if status, why := request("/large/1048577", 0); status != 413 || !strings.Contains(why, "1048576") {
			t.Errorf("an answer of 1 MiB and a byte gives %d %s", status, why)
		}
		if status, why := request("/stream", 0); status != 413 || !strings.Contains(why, "streams") {
			t.Errorf("an answer that streams gives %d %s", status, why)
		}
	})
}

func TestTunnelReportsDeadlineAndFailure(t *testing.T) {
	tunnelled(t, func(t *testing.T, hc *http.Client, base string) {
		overRPC := !strings.HasPrefix(base, "http")
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/slow", nil)
		if err != nil {
			t.Fatal(err)
		}
		// The handler's deadline is at most a millisecond later: its answer may get in
		// just before.
		if answer, err := hc.Do(r); !errors.Is(err, context.DeadlineExceeded) && (answer == nil || answer.StatusCode != http.StatusTeapot) {
			t.Errorf("a call past its deadline gives %v, %v", answer, err)
		}
		r, err = http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/panic", nil)
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := hc.Do(r); err == nil || overRPC && strings.Contains(err.Error(), "secret") {
			t.Errorf("a handler that panics gives %v, %v", answer, err)
		}
		r, err = http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/silent", nil)
		if err != nil {
			t.Fatal(err)
		}
		if answer, body := fetch(t, hc, r); answer.StatusCode != http.StatusOK || len(body) != 0 {
			t.Errorf("a handler that writes nothing gives %d %q", answer.StatusCode, body)
		}
	})
}

// The handler's context ends at the caller's deadline, not earlier; without a deadline it has
// 30 s. The trace context is passed on.
func TestTunnelPassesDeadlineAndTrace(t *testing.T) {
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	tunnelled(t, func(t *testing.T, hc *http.Client, base string) {
		if strings.HasPrefix(base, "http") {
			return // a deadline is not told; the connection is closed
		}
		for _, within := range []time.Duration{5 * time.Second, time.Minute, 0} {
			ctx := t.Context()
			if within > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, within)
				defer cancel()
			}
			deadline, has := ctx.Deadline()
			if !has {
				deadline = time.Now().Add(30 * time.Second)
			}
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/told", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Traceparent", trace)
			r.Header.Set("Tracestate", "shop=1")
			answer, _ := fetch(t, hc, r)
			if answer.Header.Get("Traceparent") != trace || answer.Header.Get("Tracestate") != "shop=1" {
				t.Errorf("the trace arrives as %v", answer.Header)
			}
			there, err := time.Parse(time.RFC3339Nano, answer.Header.Get("Deadline"))
			if late := there.Sub(deadline); err != nil || has && (late < 0 || late > time.Millisecond) || !has && (late < 0 || late > 5*time.Second) {
				t.Errorf("with %s the handler has until %s, %s later than the caller: %v", within, answer.Header.Get("Deadline"), late, err)
			}
		}
	})
}

func TestHandlerWithoutResponseAtDeadlineIsAnError(t *testing.T) {
	s := rpc.NewServer(rpc.ServerConfig{})
	rpc.ServeHTTP(s, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	expires := time.Now().Add(50 * time.Millisecond).UnixMilli()
	reply := s.Handle(t.Context(), fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"method":"http.request","params":{"method":"GET","url":"/"},"expires":%d}`, expires))
	if !strings.Contains(string(reply), `"error"`) {
		t.Errorf("the reply is %s", reply)
	}
}

func TestInvalidStatusIsAnError(t *testing.T) {
	for _, result := range []string{"{}", `{"status":99}`, `{"status":100}`, `{"status":-1}`, `{"status":1000}`} {
		rt := rpc.NewRoundTripper(func(string) (*rpc.Client, error) { return rpc.NewClient(fixed(result)), nil })
		t.Cleanup(func() { _ = rt.Close() })
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "amqp://q/", nil)
		if answer, err := rt.RoundTrip(r); err == nil {
			t.Errorf("%s gives %s", result, answer.Status)
		}
	}
}

// fixed is a transport on which every call has the same result.
type fixed string

func (f fixed) RoundTrip(_ context.Context, id string, _ []byte) ([]byte, error) {
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%q,"result":%s}`, id, string(f)), nil
}
func (fixed) Close() error { return nil }

// Calls after Close, and calls to a host that cannot be dialled, return an error.
func TestRoundTripperDialsOnceAndCloses(t *testing.T) {
	var mu sync.Mutex
	dialled := 0
	rt := rpc.NewRoundTripper(func(host string) (*rpc.Client, error) {
		mu.Lock()
		defer mu.Unlock()
		dialled++
		if host == "nowhere" {
			return nil, rpc.ErrUnavailable
		}
		s := rpc.NewServer(rpc.ServerConfig{})
		rpc.ServeHTTP(s, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, host) }))
		return rpc.NewClient(direct{s}), nil
	})
	hc := &http.Client{Transport: rt}
	get := func(url string) (string, error) {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		answer, err := hc.Do(r)
		if err != nil {
			return "", err
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		return string(body), err
	}
	for range 3 {
		if host, err := get("amqp://rpc.sales/"); host != "rpc.sales" || err != nil {
			t.Fatal(host, err)
		}
	}
	if dialled != 1 {
		t.Errorf("dialled %d times", dialled)
	}
	if _, err := get("amqp://nowhere/"); !errors.Is(err, rpc.ErrUnavailable) {
		t.Error(err)
	}
	if err := rt.Close(); err != nil {
		t.Error(err)
	}
	if _, err := get("amqp://rpc.sales/"); !errors.Is(err, rpc.ErrUnavailable) {
		t.Error("a closed one answers:", err)
	}
}

// joint is a transport that closes only when all others are being closed.
type joint struct {
	direct

	all *sync.WaitGroup
}

func (c joint) Close() error {
	c.all.Done()
	c.all.Wait()
	return nil
}

// Each transport may take a while to close.
func TestRoundTripperClosesClientsConcurrently(t *testing.T) {
	s := rpc.NewServer(rpc.ServerConfig{})
	rpc.ServeHTTP(s, echoAPI())
	var all sync.WaitGroup
	rt := rpc.NewRoundTripper(func(string) (*rpc.Client, error) { return rpc.NewClient(joint{direct{s}, &all}), nil })
	for _, host := range []string{"a", "b", "c"} {
		all.Add(1)
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "amqp://"+host+"/silent", nil)
		fetch(t, &http.Client{Transport: rt}, r)
	}
	closed := make(chan error, 1)
	go func() { closed <- rt.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("one is closed after the other")
	}
}

// direct is a transport that calls the server in the same process.
type direct struct{ s *rpc.Server }

func (d direct) RoundTrip(ctx context.Context, _ string, message []byte) ([]byte, error) {
	return d.s.Handle(ctx, message), nil
}
func (d direct) Close() error { return nil }
