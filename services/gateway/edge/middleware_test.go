package edge

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"quadrille/services/gateway/auth"
	"quadrille/services/gateway/ratelimit"
)

func TestLimitsRatePerCallerAndAddress(t *testing.T) {
	seen := &requestLog{}
	d := opened(t, overHTTP, Config{Caller: ratelimit.Rate{PerSecond: 1, Burst: 3}, Address: ratelimit.Rate{PerSecond: 1, Burst: 7}}, seen.serveAll())
	for n := range 3 {
		a := d.ask("GET", prefix+"/orders", "", as("staff")...)
		if a.status != http.StatusOK || a.header.Get("Ratelimit-Policy") != `"caller";q=3;w=3` || !strings.HasPrefix(a.header.Get("Ratelimit"), `"caller";r=`+strconv.Itoa(2-n)+";t=") {
			t.Errorf("request %d: %d %v", n+1, a.status, a.header)
		}
	}
	a := d.ask("GET", prefix+"/orders", "", as("staff")...)
	a.refused(t, "the fourth of a caller", http.StatusTooManyRequests, "rate_limited")
	if a.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
	}
	if a := d.ask("GET", prefix+"/orders", "", as("warehouse")...); a.status != http.StatusOK {
		t.Errorf("another caller: %d", a.status)
	}
	for range 2 {
		d.ask("GET", prefix+"/products", "", "Authorization", "")
	}
	a = d.ask("GET", prefix+"/products", "", "Authorization", "")
	a.refused(t, "the eighth of an address", http.StatusTooManyRequests, "rate_limited")
	if a := d.ask("GET", "/healthz", "", "Authorization", ""); a.status != http.StatusOK {
		t.Errorf("health: %d", a.status)
	}
	if n := len(seen.take()); n != 6 {
		t.Errorf("%d requests came through, want 6", n)
	}
}

func TestClientAddress(t *testing.T) {
	for _, c := range []struct {
		remote  string
		seen    []string // X-Forwarded-For
		proxies int
		want    string
	}{
		{"192.0.2.1:99", nil, 0, "192.0.2.1"},
		{"192.0.2.1:99", []string{"198.51.100.7"}, 0, "192.0.2.1"}, // the client may have forged it
		{"192.0.2.1:99", []string{"198.51.100.7"}, 1, "198.51.100.7"},
		{"192.0.2.1:99", []string{"203.0.113.9, 198.51.100.7"}, 1, "198.51.100.7"},
		{"192.0.2.1:99", []string{"203.0.113.9", "198.51.100.7"}, 1, "198.51.100.7"},
		{"192.0.2.1:99", []string{"203.0.113.9, 198.51.100.7"}, 2, "203.0.113.9"},
		{"192.0.2.1:99", []string{"198.51.100.7"}, 2, "192.0.2.1"},
		{"192.0.2.1:99", nil, 1, "192.0.2.1"},
		{"192.0.2.1:99", []string{"nonsense"}, 1, "192.0.2.1"},
		{"[2001:db8:1:2:3:4:5:6]:99", nil, 0, "2001:db8:1:2::"},
		{"[fe80::1%eth0]:99", nil, 0, "fe80::"},
		{"[fe80::1%eth0]:98", nil, 1, "fe80::"},
		{"192.0.2.1:99", []string{"fe80::1%eth0"}, 1, "fe80::"},
		{"[::ffff:192.0.2.1]:99", nil, 0, "192.0.2.1"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.remote
		for _, v := range c.seen {
			r.Header.Add("X-Forwarded-For", v)
		}
		if got := ClientAddress(c.proxies)(r); got != c.want {
			t.Errorf("%s, forwarded for %v by %d: %s, want %s", c.remote, c.seen, c.proxies, got, c.want)
		}
	}
}

func TestSetsSecurityAndCORSHeaders(t *testing.T) {
	seen := &requestLog{}
	d := opened(t, overHTTP, Config{Origins: []string{"https://shop.example"}}, seen.serveAll())
	for _, path := range []string{"/", prefix + "/products", prefix + "/orders", "/nothing", "/healthz", "/readyz", "/internal/subscriptions"} {
		h := d.ask("GET", path, "", "Authorization", "").header
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") == "" {
			t.Errorf("%s: %v", path, h)
		}
	}
	preflight := func(origin string) http.Header {
		return d.ask("OPTIONS", prefix+"/orders", "", "Authorization", "", "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization").header
	}
	if h := preflight("https://shop.example"); h.Get("Access-Control-Allow-Origin") != "https://shop.example" || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Idempotency-Key") {
		t.Errorf("page of an allowed origin: %v", h)
	}
	if h := preflight("https://evil.example"); h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("page of another origin: %v", h)
	}
	none := opened(t, overHTTP, Config{}, seen.serveAll())
	if h := none.ask("GET", prefix+"/products", "", "Origin", "https://shop.example").header; h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("without configured origins: %v", h)
	}
}

// The internal API accepts INTERNAL_TOKEN and the local token for commands on the
// gateway's machine.
func TestInternalAPIRequiresToken(t *testing.T) {
	const localToken = "left-for-commands"
	for name, c := range map[string]struct {
		cfg        Config
		localToken string
		header     []string
		status     int
	}{
		"a token":                        {Config{InternalToken: internal}, "", as(internal), http.StatusOK},
		"the wrong token":                {Config{InternalToken: internal}, "", as(token), http.StatusNotFound},
		"no token":                       {Config{InternalToken: internal}, "", as(""), http.StatusNotFound},
		"a command":                      {Config{}, localToken, as(localToken), http.StatusOK},
		"a command, by a proxy":          {Config{Proxies: 1}, localToken, as(localToken), http.StatusOK},
		"a local token of another start": {Config{}, localToken, as("left-for-others"), http.StatusNotFound},
		"no token, a local one":          {Config{}, localToken, as(""), http.StatusNotFound},
		"neither, and none":              {Config{}, "", as(""), http.StatusNotFound},
	} {
		d := opened(t, overHTTP, c.cfg, nil, func(f *Config) { f.LocalToken = c.localToken })
		a := d.ask("GET", "/internal/subscriptions", "", c.header...)
		if a.status != c.status || (a.status == http.StatusOK) != (a.body == "inside: /subscriptions") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		ready := d.ask("GET", "/readyz", "", c.header...)
		if whole := strings.HasPrefix(ready.body, "inside"); ready.status != http.StatusOK || whole != (c.status == http.StatusOK) {
			t.Errorf("%s: ready is %d %s", name, ready.status, ready.body)
		}
	}
}

// Behind a proxy without X-Forwarded-For all requests come from this machine.
func TestPeerAddressGivesNoAccessToInternalAPI(t *testing.T) {
	for name, cfg := range map[string]Config{
		"plain": {}, "a proxy": {Proxies: 1}, "an issuer": {Authenticate: byIssuer(t)},
	} {
		d := opened(t, overHTTP, cfg, nil, func(f *Config) { f.LocalToken = "left-for-commands" })
		for _, host := range []string{"localhost", "127.0.0.1", "127.0.0.1:8080", "[::1]:8080", ""} {
			said := d.raw("GET /internal/ops/keys HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n")
			if !strings.Contains(said, "path_unknown") {
				t.Errorf("%s, by the name %q: %s", name, host, said)
			}
		}
	}
}

// Requests with a wrong internal token count. Liveness checks and requests with the right
// token do not, and are not limited.
func TestRateLimitsTokenGuesses(t *testing.T) {
	for _, path := range []string{"/readyz", "/internal/subscriptions"} {
		d := opened(t, overHTTP, Config{InternalToken: internal, Address: ratelimit.Rate{PerSecond: 1, Burst: 3}}, nil)
		guess := func() answer { return d.ask("GET", path, "", as("guess")...) }
		for range 3 {
			guess()
		}
		guess().refused(t, "the fourth guess at "+path, http.StatusTooManyRequests, "rate_limited")
		for range 5 {
			if a := d.ask("GET", path, "", as(internal)...); a.status != http.StatusOK {
				t.Errorf("%s, from inside: %d", path, a.status)
			}
			if a := d.ask("GET", "/healthz", "", "Authorization", ""); a.status != http.StatusOK {
				t.Errorf("health: %d", a.status)
			}
		}
		if a := d.ask("GET", "/readyz", "", "Authorization", ""); a.status != http.StatusOK {
			t.Errorf("readiness: %d", a.status)
		}
		for range 3 {
			d.ask("GET", "/readyz", "", "Authorization", "")
		}
		d.ask("GET", "/readyz", "", "Authorization", "").refused(t, "one after the other", http.StatusTooManyRequests, "rate_limited")
	}
}

// byIssuer authenticates with tokens of an issuer that is unreachable.
func byIssuer(t *testing.T) Authenticate {
	t.Helper()
	tokens, err := auth.IssuerConfig{JWKS: "http://127.0.0.1:1", Issuer: "i", Audience: "a"}.NewTokens(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return (&auth.Authenticator{Tokens: []*auth.Tokens{tokens}}).Authenticate
}
