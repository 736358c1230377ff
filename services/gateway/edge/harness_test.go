package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"go.uber.org/goleak"
	"gorm.io/gorm"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/internal/platform/rest"
	"quadrille/internal/platform/rest/call"
	"quadrille/pkg/fault"
	"quadrille/pkg/rpc"
	"quadrille/services"
	"quadrille/services/gateway/activity"
	"quadrille/services/gateway/auth"
	"quadrille/services/gateway/idempotency"
	"quadrille/services/gateway/ratelimit"
	salesclient "quadrille/services/sales/client"
)

// tables returns the gateway's migrations.
func tables() fs.FS { return os.DirFS("..") }

// document returns the OpenAPI document of the public API.
func document(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile("../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token    = "letmein"           // ann's; ann has all roles
	internal = "only-for-services" // INTERNAL_TOKEN
)

// way is a kind of transport between the gateway under test and its fake services.
type way func(t testing.TB, services map[string]http.Handler) (transport http.RoundTripper, url func(string) string)

// ways runs a test with each transport.
func ways(t *testing.T, test func(t *testing.T, w way)) {
	t.Helper()
	for name, w := range map[string]way{"http": overHTTP, "rpc": overRPC} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, w)
		})
	}
}

// overHTTP serves each fake service over HTTP. Others are unavailable.
func overHTTP(t testing.TB, services map[string]http.Handler) (http.RoundTripper, func(string) string) {
	t.Helper()
	urls := map[string]string{}
	for name, h := range services {
		server := httptest.NewUnstartedServer(h)
		server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handlers that break off
		server.Start()
		t.Cleanup(server.Close)
		urls[name] = server.URL
	}
	hc := call.New(call.Config{Token: internal})
	t.Cleanup(hc.CloseIdleConnections)
	return hc.Transport, func(service string) string {
		if u := urls[service]; u != "" {
			return u
		}
		return "http://127.0.0.1:1"
	}
}

// overRPC serves each fake service over JSON-RPC.
func overRPC(t testing.TB, services map[string]http.Handler) (http.RoundTripper, func(string) string) {
	t.Helper()
	tunnel := rpc.NewRoundTripper(func(service string) (*rpc.Client, error) {
		h := services[service]
		if h == nil {
			return nil, rpc.ErrUnavailable
		}
		s := rpc.NewServer(rpc.ServerConfig{})
		rpc.ServeHTTP(s, h)
		return rpc.NewClient(direct{s}), nil
	})
	t.Cleanup(func() { _ = tunnel.Close() })
	hc := call.New(call.Config{Token: internal, Schemes: map[string]http.RoundTripper{"amqp": tunnel}})
	return hc.Transport, func(service string) string { return "amqp://" + service }
}

// inMemory calls the handler of each fake service without a network.
func inMemory(_ testing.TB, fakes map[string]http.Handler) (http.RoundTripper, func(string) string) {
	return handlers(fakes), func(service string) string { return "http://" + service }
}

// handlers is a transport to handlers by the host name.
type handlers map[string]http.Handler

func (h handlers) RoundTrip(r *http.Request) (*http.Response, error) {
	recorded := httptest.NewRecorder()
	request := r.Clone(r.Context())
	request.RequestURI = r.URL.RequestURI()
	if request.Body == nil {
		request.Body = http.NoBody
	}
	h[r.URL.Host].ServeHTTP(recorded, request)
	response := recorded.Result()
	response.Request = r
	return response, nil
}

// direct is a JSON-RPC transport without a network.
type direct struct{ server *rpc.Server }

func (d direct) RoundTrip(ctx context.Context, _ string, message []byte) ([]byte, error) {
	answered := make(chan []byte, 1)
	go func() { answered <- d.server.Handle(ctx, message) }()
	select {
	case reply := <-answered:
		return reply, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (d direct) Close() error { return nil }

// fakeAuthenticate accepts the tokens of the tests, which have all roles or fewer.
func fakeAuthenticate(_ context.Context, header string) (auth.Caller, error) {
	scheme, given, _ := strings.Cut(header, " ")
	callers := map[string]auth.Caller{
		token:       {Kind: auth.KindUser, Subject: "ann", Roles: auth.AllRoles()},
		"ann":       {Kind: auth.KindUser, Subject: "ann", Roles: []auth.Role{auth.Customer}},
		"bob":       {Kind: auth.KindUser, Subject: "bob", Roles: []auth.Role{auth.Customer}},
		"warehouse": {Kind: auth.KindKey, Subject: "key-1", Roles: []auth.Role{auth.Warehouse}},
		"staff":     {Kind: auth.KindKey, Subject: "key-2", Roles: []auth.Role{auth.Staff}},
	}
	caller, has := callers[strings.TrimSpace(given)]
	switch {
	case header == "":
		return auth.Caller{}, nil
	case !has || !strings.EqualFold(scheme, "Bearer"):
		return auth.Caller{}, fault.New(fault.Unauthorized, "token_invalid", "the token is not good")
	}
	return caller, nil
}

// testGateway is a gateway that a test calls from outside.
type testGateway struct {
	t    testing.TB
	url  string
	http *http.Client
	log  *lockedBuffer
	shut func() // and wait until every request is through

	server    *Server
	upstreams *Upstreams
	db        *gorm.DB // the gateway's own
}

// opened returns a gateway in front of fake services, with its internal API under its own
// name. change may adjust its configuration last.
func opened(t testing.TB, w way, cfg Config, fakes map[string]http.Handler, change ...func(*Config)) *testGateway {
	t.Helper()
	transport, url := w(t, fakes)
	if cfg.Services == nil {
		cfg.Services = services.All()
	}
	d := &testGateway{t: t, log: &lockedBuffer{}}
	cfg.Log = slog.New(slog.NewTextHandler(d.log, nil))
	hc := &http.Client{Transport: transport}
	sales, err := salesclient.New(url("sales"), hc)
	if err != nil {
		t.Fatal(err)
	}
	conn := dbtest.SQLite(t, app.Gateway, tables())
	cfg.Activity, err = activity.New(activity.Config{DB: conn, Log: cfg.Log, Sales: sales, Caller: StreamCaller(ClientAddress(0))})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Document == nil {
		cfg.Document = document(t)
	}
	cfg.Upstreams = NewUpstreams(UpstreamsConfig{HTTP: hc, URL: url, Services: app.Names(cfg.Services), InternalToken: cfg.InternalToken})
	cfg.Keys, cfg.Limiter = &auth.KeyStore{DB: conn, Log: cfg.Log}, ratelimit.New(nil, "", cfg.Log)
	cfg.Sales, cfg.Answers, cfg.Audits = sales, &idempotency.Store{DB: conn}, &AuditRunner{DB: conn, Log: cfg.Log}
	if cfg.Authenticate == nil {
		cfg.Authenticate = fakeAuthenticate
	}
	for _, with := range change {
		with(&cfg)
	}
	f, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	internalAPI := fakes[app.Gateway]
	if internalAPI == nil {
		e := rest.NewBare(cfg.Log, rest.AccessLog{})
		e.GET("/*", func(c echo.Context) error { return c.String(http.StatusOK, "inside: "+c.Request().URL.Path) })
		internalAPI = rest.Heads(e)
	}
	server := httptest.NewServer(f.Handler(internalAPI))
	t.Cleanup(server.Close)
	d.url, d.http, d.shut, d.server, d.upstreams, d.db = server.URL, server.Client(), server.Close, f, cfg.Upstreams, conn
	return d
}

// answer is a received response.
type answer struct {
	status int
	header http.Header
	body   string
}

// request returns a request to the gateway with its token. header holds names and values
// in turn; an empty value removes the header.
func (d *testGateway) request(method, target, body string, header ...string) *http.Request {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), method, d.url+target, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
		if header[i+1] == "" || header[i] == "Authorization" {
			r.Header.Set(header[i], header[i+1])
		}
	}
	return r
}

// ask sends the operation's request as the named caller, or anonymously, and returns the
// response; for a stream only its head.
func (d *testGateway) ask(method, target, body string, header ...string) answer {
	d.t.Helper()
	return d.do(d.request(method, target, body, header...))
}

func (d *testGateway) do(r *http.Request) answer {
	d.t.Helper()
	got, err := d.http.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer got.Body.Close()
	content, err := io.ReadAll(got.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return answer{got.StatusCode, got.Header, string(content)}
}

// raw sends bytes that no HTTP client would send, and returns the response from its
// status on.
func (d *testGateway) raw(request string) string {
	d.t.Helper()
	conn, err := new(net.Dialer).DialContext(d.t.Context(), "tcp", strings.TrimPrefix(d.url, "http://"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		d.t.Fatal(err)
	}
	content, err := io.ReadAll(conn)
	if err != nil {
		d.t.Fatal(err)
	}
	return string(content)
}

// refused checks that an answer is a problem document with this status and code.
func (a answer) refused(t *testing.T, what string, status int, code string) {
	t.Helper()
	var p fault.Problem
	err := json.Unmarshal([]byte(a.body), &p)
	if err != nil || a.status != status || p.Status != status || p.Code != code || a.header.Get("Content-Type") != fault.ProblemType {
		t.Errorf("%s gives %d %s %s, want %d %s", what, a.status, a.header.Get("Content-Type"), a.body, status, code)
	}
}

// received is a request that a fake service received.
type received struct {
	service, method, uri, body string
	header                     http.Header
}

// requestLog records the requests of the fake services in order.
type requestLog struct {
	mu  sync.Mutex
	all []received
}

// serve returns a handler that records requests and calls h, or responds with 200 if h is
// nil.
func (n *requestLog) serve(service string, h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n.mu.Lock()
		n.all = append(n.all, received{service, r.Method, r.RequestURI, string(body), r.Header.Clone()})
		n.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		if h != nil {
			h(w, r)
		}
	})
}

// serveAll returns a handler for every service.
func (n *requestLog) serveAll() map[string]http.Handler {
	all := map[string]http.Handler{}
	for _, name := range services.Names() {
		all[name] = n.serve(name, nil)
	}
	return all
}

// take returns the requests since its last call.
func (n *requestLog) take() []received {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := n.all
	n.all = nil
	return all
}

// lockedBuffer is a log buffer that is safe for concurrent use.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
