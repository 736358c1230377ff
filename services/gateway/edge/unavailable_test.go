package edge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/rest"
	"quadrille/internal/platform/rest/call"
	"quadrille/pkg/rpc"
	"quadrille/services"
)

func TestUnavailableServiceDoesNotAffectOthers(t *testing.T) {
	ways(t, func(t *testing.T, w way) {
		seen := &requestLog{}
		fakes := seen.serveAll()
		delete(fakes, "sales")
		d := opened(t, w, Config{}, fakes)
		table := newRouteTable(services.All())
		for _, o := range operations(t) {
			r := table.match(app.Segments(strings.TrimPrefix(o.target(), prefix)))
			if r == nil || r.isOps() {
				continue
			}
			a := d.ask(o.method, o.target(), "{}")
			if r.service != "sales" {
				if a.status != http.StatusOK {
					t.Errorf("%s gives %d %s", o, a.status, a.body)
				}
				continue
			}
			a.refused(t, o.String(), http.StatusServiceUnavailable, "service_away")
			if a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "sales") {
				t.Errorf("the response is %v %s", a.header, a.body)
			}
		}
		if strings.Contains(d.log.String(), internal) || strings.Contains(d.log.String(), token) {
			t.Errorf("a token is in the log: %s", d.log)
		}
	})
}

// The caller gets 503, and the service's request is cancelled.
func TestTimesOutServiceThatHangs(t *testing.T) {
	ways(t, func(t *testing.T, w way) {
		ended := make(chan struct{}, 1)
		d := opened(t, w, Config{Timeout: 100 * time.Millisecond}, map[string]http.Handler{
			"sales": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.ReadAll(r.Body)
				<-r.Context().Done()
				ended <- struct{}{}
			}),
		})
		a := d.ask("POST", "/api/v1/orders", "{}")
		a.refused(t, "a service that hangs", http.StatusServiceUnavailable, "timeout")
		if !strings.Contains(a.body, "sales") || !strings.Contains(a.body, "Idempotency-Key") || a.header.Get("Retry-After") == "" {
			t.Errorf("the response is %v %s", a.header, a.body)
		}
		<-ended
		a = d.ask("GET", "/api/v1/orders", "", "Content-Type", "text/csv") // only an upload may take longer
		a.refused(t, "a service that hangs over what looks like an upload", http.StatusServiceUnavailable, "timeout")
		<-ended
	})
}

// The request to the service is cancelled, and no warning is logged.
func TestCancelsRequestOfDisconnectedCaller(t *testing.T) {
	ways(t, func(t *testing.T, w way) {
		asked, ended := make(chan struct{}), make(chan struct{})
		d := opened(t, w, Config{}, map[string]http.Handler{
			"sales": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				close(asked)
				<-r.Context().Done()
				close(ended)
			}),
		})
		ctx, leave := context.WithCancel(t.Context())
		go func() { <-asked; leave() }()
		if _, err := d.http.Do(d.request("GET", "/api/v1/orders", "").WithContext(ctx)); err == nil {
			t.Error("it was answered")
		}
		<-ended
		d.shut()
		if said := d.log.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "level=INFO msg=request") || !strings.Contains(said, "status=499") {
			t.Errorf("log: %s", said)
		}
	})
}

// 401 from a service is a configuration error of ours: the caller must not think that its
// own token was refused.
func TestReportsRefusedInternalTokenAs503(t *testing.T) {
	ways(t, func(t *testing.T, w way) {
		d, _ := only(t, w, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, r.Header.Get("Authorization"))
		})
		a := d.ask("GET", "/api/v1/orders", "")
		a.refused(t, "sales", http.StatusServiceUnavailable, "service_away")
		if a.header.Get("WWW-Authenticate") != "" || strings.Contains(fmt.Sprint(a), internal) || !strings.Contains(d.log.String(), "INTERNAL_TOKEN") {
			t.Errorf("response %v, log %s", a, d.log)
		}
	})
}

// Over HTTP a panicking service sends no response, over RPC an error.
func TestReportsPanicOfService(t *testing.T) {
	ways(t, func(t *testing.T, w way) {
		d, _ := only(t, w, func(http.ResponseWriter, *http.Request) { panic("secret") })
		a := d.ask("GET", "/api/v1/orders", "")
		a.refused(t, "a panic", http.StatusServiceUnavailable, "service_away")
		if strings.Contains(a.body, "secret") {
			t.Error(a.body)
		}
	})
}

// lying returns a server that sends these bytes as the response to every request.
func lying(t *testing.T, bytes string) way {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, bytes)
			_ = conn.Close()
		}
	}()
	return func(t testing.TB, _ map[string]http.Handler) (http.RoundTripper, func(string) string) {
		t.Helper()
		hc := call.New(call.Config{})
		t.Cleanup(hc.CloseIdleConnections)
		return hc.Transport, func(string) string { return "http://" + l.Addr().String() }
	}
}

// fixed is a tunnel in which every call has this result.
type fixed string

func (f fixed) RoundTrip(_ context.Context, id string, _ []byte) ([]byte, error) {
	return []byte(`{"jsonrpc":"2.0","id":"` + id + `",` + string(f) + `}`), nil
}

func (fixed) Close() error { return nil }

func lyingOverRPC(result string) way {
	return func(t testing.TB, _ map[string]http.Handler) (http.RoundTripper, func(string) string) {
		t.Helper()
		tunnel := rpc.NewRoundTripper(func(string) (*rpc.Client, error) { return rpc.NewClient(fixed(result)), nil })
		t.Cleanup(func() { _ = tunnel.Close() })
		return tunnel, func(string) string { return "amqp://q" }
	}
}

func TestReportsInvalidResponseAs503(t *testing.T) {
	for what, w := range map[string]way{
		"no HTTP":              lying(t, "hello"),
		"nothing":              lying(t, ""),
		"half a header":        lying(t, "HTTP/1.1 200 OK\r\nContent-"),
		"status 99":            lying(t, "HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n"),
		"status 999":           lying(t, "HTTP/1.1 999 High\r\nContent-Length: 0\r\n\r\n"),
		"another protocol":     lying(t, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"),
		"status 0 over RPC":    lyingOverRPC(`"result":{}`),
		"status 7000 over RPC": lyingOverRPC(`"result":{"status":7000}`),
		"no result over RPC":   lyingOverRPC(`"result":"yes"`),
		"an error over RPC":    lyingOverRPC(`"error":{"code":-32603,"message":"Internal error"}`),
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			d := opened(t, w, Config{}, nil)
			d.ask("GET", "/api/v1/orders", "").refused(t, what, http.StatusServiceUnavailable, "service_away")
		})
	}
}

// A response body that ends at once gives 503. One that ends later ends early for the
// caller, too: it must not look complete.
func TestDoesNotCompleteTruncatedResponses(t *testing.T) {
	for what, c := range map[string]struct {
		bytes string
		late  bool
	}{
		"by length":           {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"items\":[", false},
		"by length, at once":  {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", false},
		"by chunks":           {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n{\"items\":[\r\n", false},
		"by chunks, at once":  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false},
		"by length, but late": {"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 9000), true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			d := opened(t, lying(t, c.bytes), Config{}, nil)
			if !c.late {
				d.ask("GET", "/api/v1/orders", "").refused(t, what, http.StatusServiceUnavailable, "service_away")
				return
			}
			got, err := d.http.Do(d.request("GET", "/api/v1/orders", ""))
			if err != nil {
				return // broken off before the header was through
			}
			defer got.Body.Close()
			if body, err := io.ReadAll(got.Body); err == nil {
				t.Errorf("the response looks complete: %d %q", got.StatusCode, body)
			}
		})
	}
}

// A request in progress at shutdown is cancelled, and its caller gets 503.
func TestCancelsRequestsAtShutdown(t *testing.T) {
	ways(t, func(t *testing.T, w way) {
		asked := make(chan struct{}, 1)
		d := opened(t, w, Config{}, map[string]http.Handler{"sales": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			asked <- struct{}{}
			<-r.Context().Done()
		})})
		for _, key := range []string{"", "k"} {
			stop, stopped := context.WithCancelCause(t.Context())
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx, end := rest.WithStop(r.Context(), stop)
				defer end()
				d.server.e.ServeHTTP(w, r.WithContext(ctx))
			}))
			d.url = server.URL
			go func() { <-asked; stopped(rest.ErrStopping) }()
			a := d.ask("GET", "/api/v1/orders", "")
			if key != "" {
				a = d.ask("POST", "/api/v1/orders/7/cancel", "", "Idempotency-Key", key)
			}
			a.refused(t, "a request that is called off", http.StatusServiceUnavailable, "draining")
			if a.header.Get("Retry-After") == "" {
				t.Errorf("the response is %v", a.header)
			}
			server.Close()
		}
	})
}

// failing returns a transport whose calls fail with err.
func failing(err error) way {
	return func(t testing.TB, _ map[string]http.Handler) (http.RoundTripper, func(string) string) {
		t.Helper()
		tunnel := rpc.NewRoundTripper(func(string) (*rpc.Client, error) { return rpc.NewClient(fails{err}), nil })
		t.Cleanup(func() { _ = tunnel.Close() })
		return tunnel, func(string) string { return "amqp://q" }
	}
}

// fails is a tunnel whose calls fail.
type fails struct{ err error }

func (f fails) RoundTrip(context.Context, string, []byte) ([]byte, error) { return nil, f.err }

func (fails) Close() error { return nil }

// An order that failed has the code timeout if it may have been placed, and service_away
// if it certainly was not.
func TestReportsWhetherOrderMayHaveBeenPlaced(t *testing.T) {
	for what, c := range map[string]struct {
		w         way
		get, post string
	}{
		"in a queue that nobody serves": {failing(rpc.ErrUnavailable), "service_away", "timeout"},
		"not sent":                      {failing(fmt.Errorf("%w: %w", rpc.ErrNotSent, rpc.ErrUnavailable)), "service_away", "service_away"},
		"refused":                       {overHTTP, "service_away", "service_away"},
		"broken off":                    {lying(t, ""), "service_away", "timeout"},
		"our token is not taken":        {lying(t, "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"), "service_away", "service_away"},
		"an error":                      {lyingOverRPC(`"error":{"code":-32603,"message":"Internal error"}`), "service_away", "timeout"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			d := opened(t, c.w, Config{}, nil)
			d.ask("GET", prefix+"/orders", "").refused(t, "GET", http.StatusServiceUnavailable, c.get)
			d.ask("POST", prefix+"/orders", "{}").refused(t, "POST", http.StatusServiceUnavailable, c.post)
			d.ask("GET", prefix+"/orders/7", "", as("bob")...).refused(t, "an owner", http.StatusServiceUnavailable, "service_away")
		})
	}
}

func TestTreatsInvalidOrderIDsAsUnknown(t *testing.T) {
	for _, status := range []int{400, 404, 422} {
		d := opened(t, overHTTP, Config{}, map[string]http.Handler{"sales": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"title":"x","status":%d,"code":"id_odd"}`, status)
		})})
		for _, ask := range [][2]string{{"GET", "/orders/odd"}, {"POST", "/orders/odd/cancel"}} {
			d.ask(ask[0], prefix+ask[1], "", as("bob")...).refused(t, fmt.Sprint(ask, status), http.StatusNotFound, "order_unknown")
		}
	}
}
