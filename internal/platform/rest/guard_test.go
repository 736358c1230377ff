package rest

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"quadrille/pkg/fault"
)

// asked returns the guard's status for a request, 204 if it passes.
func asked(t *testing.T, cfg GuardConfig, method, path, host string, header ...string) (int, fault.Problem) {
	t.Helper()
	g, err := NewGuard(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	r.Host = host
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	g.Before(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })).ServeHTTP(w, r)
	var p fault.Problem
	if w.Code != http.StatusNoContent && method != http.MethodHead {
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code || p.Code == "" || p.Detail == "" {
			t.Errorf("%s %s: the response is not a problem document: %s (%v)", method, host, w.Body, err)
		}
	}
	if w.Code != http.StatusNoContent && (w.Header().Get("Content-Type") != fault.ProblemType || w.Header().Get("X-Request-ID") == "") {
		t.Errorf("%s %s is answered with %v", method, host, w.Header())
	}
	return w.Code, p
}

// The method does not matter. Programs that are no browsers pass.
func TestForeignOriginCannotChangeState(t *testing.T) {
	const own = "localhost:8084"
	named := []string{"https://shop.example", "https://*.shop.example", "http://*.dev.example:3000", "*"}
	for _, c := range []struct {
		method  string
		origins []string
		header  []string
		want    int
	}{
		{"POST", nil, nil, 204}, // curl, and what clients send
		{"PUT", nil, nil, 204},
		{"POST", nil, []string{"Origin", "http://localhost:8084"}, 204},
		{"POST", nil, []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://localhost:8084"}, 204},
		{"POST", nil, []string{"Sec-Fetch-Site", "same-origin", "Origin", "https://behind.a.proxy"}, 204},
		{"POST", nil, []string{"Sec-Fetch-Site", "none"}, 204},
		{"GET", nil, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 204}, // which it cannot read
		{"HEAD", nil, []string{"Sec-Fetch-Site", "cross-site"}, 204},
		{"OPTIONS", nil, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example", "Access-Control-Request-Method", "PUT"}, 204},

		{"POST", nil, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"POST", nil, []string{"Sec-Fetch-Site", "same-site", "Origin", "http://localhost:3000"}, 403},
		{"POST", nil, []string{"Sec-Fetch-Site", "cross-site", "Origin", "null"}, 403},
		{"POST", nil, []string{"Origin", "null"}, 403},
		{"POST", nil, []string{"Origin", "https://evil.example"}, 403},
		{"POST", nil, []string{"Origin", "http://localhost:3000"}, 403},
		{"POST", nil, []string{"Origin", "http://localhost"}, 403},
		{"PUT", nil, []string{"Origin", "https://evil.example"}, 403},
		{"DELETE", nil, []string{"Origin", "https://evil.example"}, 403},
		{"PATCH", nil, []string{"Origin", "https://evil.example"}, 403},
		{"PURGE", nil, []string{"Origin", "https://evil.example"}, 403},
		{"POST", nil, []string{"Origin", "https://evil.example", "X-Forwarded-Host", "evil.example"}, 403},
		{"POST", nil, []string{"Origin", "https://evil.example", "Authorization", "Bearer secret"}, 403},

		{"POST", named, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://shop.example"}, 204},
		{"POST", named, []string{"Origin", "https://till.shop.example"}, 204},
		{"POST", named, []string{"Origin", "https://a.b.shop.example"}, 204},
		{"POST", named, []string{"Origin", "http://a.dev.example:3000"}, 204},
		{"POST", named, []string{"Origin", "http://shop.example"}, 403},
		{"POST", named, []string{"Origin", "https://shop.example:8443"}, 403},
		{"POST", named, []string{"Origin", "http://till.shop.example"}, 403},
		{"POST", named, []string{"Origin", "https://shop.example.evil.example"}, 403},
		{"POST", named, []string{"Origin", "https://evilshop.example"}, 403},
		{"POST", named, []string{"Origin", "https://.shop.example"}, 403},
		{"POST", named, []string{"Origin", "https://evil.example/.shop.example"}, 403},
		{"POST", named, []string{"Origin", "http://a.dev.example"}, 403},
		{"POST", named, []string{"Origin", "https://evil.example"}, 403}, // * trusts no origin
		{"POST", []string{"*"}, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
	} {
		got, p := asked(t, GuardConfig{Loopback: true, Origins: c.origins}, c.method, "/orders", own, c.header...)
		if got != c.want || got == 403 && p.Code != "cross_origin" {
			t.Errorf("%s %v, trusting %v: %d %s, want %d", c.method, c.header, c.origins, got, p.Code, c.want)
		}
	}
}

// A foreign name may resolve to this machine (DNS rebinding). It reaches no path, not even health
// and metrics.
func TestLoopbackRefusesForeignHosts(t *testing.T) {
	cfg := GuardConfig{Loopback: true, AllowedHosts: []string{"Shop.example", "till.example:8443", "*.below.example", "192.0.2.7"}, OwnHosts: []string{"sales.test"}}
	for host, want := range map[string]int{
		"localhost": 204, "LocalHost:8084": 204, "localhost.": 204, "shop.localhost": 204, "127.0.0.1": 204, "127.9.9.9:1": 204, "[::1]": 204, "[::1]:8084": 204,
		"[0:0:0:0:0:0:0:1]:80": 204, "[::ffff:127.0.0.1]:80": 204, "shop.example": 204, "shop.example:9": 204, "SHOP.EXAMPLE.": 204, "till.example:8443": 204,
		"a.below.example": 204, "a.b.below.example:80": 204, "192.0.2.7:80": 204, "sales.test:8084": 204,
		"evil.example": 421, "evil.example:8084": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421, "evillocalhost": 421, "0.0.0.0": 421, "[::]": 421,
		"192.0.2.1": 421, "10.0.0.1:8084": 421, "127.0.0.1@evil.example": 421, "till.example": 421, "till.example:443": 421, "below.example": 421, "abelow.example": 421,
		"shop.example.evil.example": 421, "": 421, ":8084": 421, "[fe80::1]": 421, "metadata.google.internal": 421,
	} {
		for _, path := range []string{"/orders", "/healthz", "/readyz", "/metrics", "/feed"} {
			for _, method := range []string{"GET", "HEAD", "POST"} {
				got, p := asked(t, cfg, method, path, host, "X-Forwarded-Host", "localhost")
				if got != want || got == 421 && method != "HEAD" && p.Code != "host_not_allowed" {
					t.Errorf("%s %s of host %q: %d %s, want %d", method, path, host, got, p.Code, want)
				}
			}
		}
	}
}

// On other addresses the guard checks the Host only if ALLOWED_HOSTS is set. Probes by address
// still pass.
func TestHostIsCheckedOnlyWithAllowedHosts(t *testing.T) {
	for host, want := range map[string]int{"evil.example": 204, "192.0.2.1:8080": 204, "": 204} {
		if got, _ := asked(t, GuardConfig{}, "GET", "/orders", host); got != want {
			t.Errorf("without ALLOWED_HOSTS, host %q: %d", host, got)
		}
	}
	cfg := GuardConfig{AllowedHosts: []string{"shop.example"}, OwnHosts: []string{"sales"}}
	for at, want := range map[string]int{
		"shop.example /orders": 204, "sales:8084 /orders": 204, "localhost:8084 /readyz": 204, "127.0.0.1:8084 /orders": 204,
		"10.1.2.3:8084 /healthz": 204, "[fd00::7]:8084 /readyz": 204, "10.1.2.3 /metrics": 204,
		"10.1.2.3:8084 /orders": 421, "evil.example /healthz": 421, "evil.example /orders": 421, "/orders": 421,
	} {
		host, path, _ := strings.Cut(at, "/")
		if got, _ := asked(t, cfg, "GET", "/"+path, strings.TrimSpace(host)); got != want {
			t.Errorf("%s: %d, want %d", at, got, want)
		}
	}
}

// HTTP/1.0 does not require a Host, and no browser uses it.
func TestRequestWithoutHostPassesInHTTP10(t *testing.T) {
	g, err := NewGuard(GuardConfig{Loopback: true})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/orders", nil)
	r.Host, r.ProtoMinor = "", 0
	if !g.knows(r) {
		t.Error("HTTP/1.0 is refused")
	}
	if r.Host = "evil.example"; g.knows(r) {
		t.Error("a foreign name is accepted in HTTP/1.0")
	}
}

func TestInvalidHostsAreRefused(t *testing.T) {
	for host, good := range map[string]bool{
		"shop.example": true, " shop.example ": true, "shop.example:8443": true, "sales": true, "sales_1:80": true, "192.0.2.1": true, "2001:db8::1": true, "[2001:db8::1]:80": true, "*.shop.example": true, "": true,
		"*": false, "*:80": false, "**.example": false, "*.": false, "a.*.example": false, "http://shop.example": false, "shop.example/": false, "shop.example:": false, "shop.example:0": false,
		"shop.example:65536": false, "shop.example:http": false, "shop example": false, "shöp.example": false, "a@shop.example": false, "shop.example?x": false, "*.192.0.2.1:80": false, "a,b": false,
	} {
		_, err := NewGuard(GuardConfig{AllowedHosts: []string{host}})
		if good != (err == nil) || err != nil && (!strings.Contains(err.Error(), "ALLOWED_HOSTS") || !strings.Contains(err.Error(), "shop.example")) {
			t.Errorf("%q: %v", host, err)
		}
	}
}

// The message has the host and the origin, and no query.
func TestRefusalIsLoggedWithOrigin(t *testing.T) {
	var log bytes.Buffer
	cfg := GuardConfig{Loopback: true, Log: slog.New(slog.NewTextHandler(&log, nil))}
	asked(t, cfg, "POST", "/orders?secret=1", "localhost", "Origin", "https://evil.example")
	if said := log.String(); !strings.Contains(said, "status=403") || !strings.Contains(said, "origin=https://evil.example") || strings.Contains(said, "secret") {
		t.Error("the log says", said)
	}
}

// FuzzHost searches for a foreign Host that passes as this machine's.
func FuzzHost(f *testing.F) {
	for _, host := range []string{"localhost", "127.0.0.1:80", "[::1]:80", "localhost.evil.example", "evil.example:80", "[::1%25lo]", "", "[", ":", "a.localhost."} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if !isLoopbackName(host) {
			return
		}
		name, _ := splitHost(strings.ToLower(host))
		if !strings.HasPrefix(name, "127.") && !strings.HasPrefix(name, "::1") && name != "localhost" && !strings.HasSuffix(name, ".localhost") {
			t.Errorf("%q is taken for this machine", host)
		}
	})
}
