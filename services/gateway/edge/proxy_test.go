package edge

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"quadrille/services/gateway/idempotency"
)

// only returns a gateway in front of sales alone, with h as its handler.
func only(t *testing.T, w way, h http.HandlerFunc) (*testGateway, *requestLog) {
	t.Helper()
	seen := &requestLog{}
	return opened(t, w, Config{}, map[string]http.Handler{"sales": seen.serve("sales", h)}), seen
}

// The service receives the caller's request except for credentials and addresses.
func TestForwardsRequestsWithoutCredentials(t *testing.T) {
	ways(t, func(t *testing.T, w way) {
		d, seen := only(t, w, nil)
		const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		d.ask("POST", "/api/v1/orders?a=1", "{\"x\":\"\xff\x00\"}",
			"Idempotency-Key", "k1", "If-Match", `"7"`, "If-None-Match", `"8"`, "Traceparent", trace, "Tracestate", "a=b", "Accept", "application/json",
			"X-Request-Id", "r-1", "X-Correlation-Id", "forged", "X-Customer", "eve", "X-Forwarded-For", "1.2.3.4", "X-Forwarded-User", "root",
			"X-Real-Ip", "1.2.3.4", "X-Http-Method-Override", "DELETE", "Forwarded", "for=1.2.3.4", "Cookie", "session=1",
			"Connection", "X-Secret, Keep-Alive", "X-Secret", "s", "Keep-Alive", "1", "Proxy-Authorization", "Basic x", "Te", "trailers", "Upgrade", "websocket",
			"Remote-User", "root", "X_user", "root", "Correlation-Id", "forged", "Internal-Token", "x", "True-Client-Ip", "1.2.3.4", "Cf-Connecting-Ip", "1.2.3.4",
			"Client-Ip", "1.2.3.4", "Via", "1.1 x", "Baggage", "a=b", "Sec-Websocket-Key", "x", "Origin", "https://evil.example", "Referer", "https://evil.example/")
		asked := seen.take()
		if len(asked) != 1 {
			t.Fatalf("%d requests reached the service, want 1", len(asked))
		}
		got := asked[0]
		if got.method != "POST" || got.uri != "/orders?a=1" || got.body != "{\"x\":\"\xff\x00\"}" {
			t.Errorf("the service received %s %s %q", got.method, got.uri, got.body)
		}
		for name, want := range map[string]string{
			"Idempotency-Key": idempotency.Scope("user:ann", "POST", "/api/v1/orders", "k1"), "If-Match": `"7"`, "If-None-Match": `"8"`, "Traceparent": trace,
			"Content-Type": "application/json", "Accept": "application/json", "X-Request-Id": "r-1", "Authorization": "Bearer " + internal,
		} {
			if v := got.header.Values(name); len(v) != 1 || v[0] != want {
				t.Errorf("%s arrives as %q, want %q", name, v, want)
			}
		}
		d.ask("GET", "/api/v1/orders", "", "Idempotency-Key", "k1")
		if asked := seen.take(); len(asked) != 1 || asked[0].header.Get("Idempotency-Key") != "" {
			t.Errorf("a GET has a key: %v", asked)
		}
		for name := range got.header {
			_, named := map[string]bool{
				"Idempotency-Key": true, "If-Match": true, "If-None-Match": true, "Traceparent": true, "Content-Type": true,
				"Content-Length": true, "Accept": true, "Accept-Encoding": true, "X-Request-Id": true, "Authorization": true, "User-Agent": true,
			}[name]
			if !named {
				t.Errorf("%s: %s arrives", name, got.header[name])
			}
		}
	})
}

// A request without an ID gets one, and the service receives the same ID.
func TestGeneratesRequestID(t *testing.T) {
	ways(t, func(t *testing.T, w way) {
		d, seen := only(t, w, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Request-ID", r.Header.Get("X-Request-ID"))
		})
		a := d.ask("GET", "/api/v1/orders", "")
		ids := a.header.Values("X-Request-ID")
		if asked := seen.take(); len(ids) != 1 || ids[0] == "" || asked[0].header.Get("X-Request-ID") != ids[0] {
			t.Errorf("the response has the ID %q, the service received %q", ids, asked[0].header.Get("X-Request-ID"))
		}
	})
}

// The caller receives the service's response with its paths converted to those of the
// public API.
func TestRewritesPathsInResponses(t *testing.T) {
	ways(t, func(t *testing.T, w way) {
		d, _ := only(t, w, func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("Location", "/orders/7")
			h["Link"] = []string{`</orders?after=x>; rel="next"`, `</orders>; rel="first", </orders/7/ship>; rel="ship", <https://example.org/orders>; rel="help"`, `</ordersets>; rel="other"`}
			h.Set("ETag", `"3"`)
			h.Set("Idempotency-Replayed", "true")
			h.Set("Content-Type", "application/json; charset=utf-8")
			h.Set("Connection", "X-Inner")
			h.Set("X-Inner", "1")
			h.Set("Keep-Alive", "timeout=5")
			h.Set("Content-Security-Policy", "default-src *")
			h.Set("X-Content-Type-Options", "none")
			h.Set("Strict-Transport-Security", "max-age=0")
			h.Set("Access-Control-Allow-Origin", "*")
			h.Set("Set-Cookie", "session=1")
			h.Set("Server", "inner")
			h.Set("X-Request-ID", "another")
			h.Set("Vary", "Accept-Language")
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, "\xff\x00{}")
		})
		a := d.ask("POST", "/api/v1/orders", "{}", "Idempotency-Key", "k", "X-Forwarded-Proto", "https", "X-Request-Id", "r-1")
		if csp := a.header.Values("Content-Security-Policy"); len(csp) != 1 || strings.Contains(csp[0], "*") {
			t.Errorf("Content-Security-Policy is %q", csp)
		}
		if a.status != http.StatusCreated || a.body != "\xff\x00{}" {
			t.Errorf("the response is %d %q", a.status, a.body)
		}
		for name, want := range map[string]string{
			"Location": "/api/v1/orders/7", "Etag": `"3"`, "Idempotency-Replayed": "true", "Content-Type": "application/json; charset=utf-8",
			"X-Inner": "", "Keep-Alive": "", "Access-Control-Allow-Origin": "", "Set-Cookie": "", "Server": "", "X-Content-Type-Options": "nosniff",
			"Strict-Transport-Security": "max-age=31536000", "Vary": "Accept-Language", "X-Request-Id": "r-1",
			"Link": `</api/v1/orders?after=x>; rel="next" + </api/v1/orders>; rel="first", </api/v1/orders/7/ship>; rel="ship", <https://example.org/orders>; rel="help" + </ordersets>; rel="other"`,
		} {
			if got := strings.Join(a.header.Values(name), " + "); got != want {
				t.Errorf("%s is %s, want %s", name, got, want)
			}
		}
	})
}

func TestPathsOfRoutesRoundTrip(t *testing.T) {
	for _, r := range publicRoutes() {
		for _, below := range []string{"", "/A", "/A/b%2Fc", "?after=x", "/A?after=x"} {
			public := prefix + r.path + below
			if got := r.toPublic(r.toService(public)); got != public {
				t.Errorf("%s goes in as %s and comes out as %s", public, r.toService(public), got)
			}
		}
		for _, foreign := range []string{"/elsewhere", "", "https://example.org" + r.inner, r.inner + "s", r.inner + "-x/A"} {
			if got := r.toPublic(foreign); got != foreign {
				t.Errorf("%s comes out of %s as %s", foreign, r.service, got)
			}
		}
	}
}

func TestForwardsProblemsUnchanged(t *testing.T) {
	ways(t, func(t *testing.T, w way) {
		d, _ := only(t, w, func(w http.ResponseWriter, r *http.Request) {
			status, _ := strconv.Atoi(r.URL.Query().Get("status"))
			w.Header().Set("Content-Type", "application/problem+json")
			w.Header().Set("Retry-After", "7")
			w.Header().Set("Allow", "GET, POST")
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"type":"/problems/x","instance":"/orders/7", "status":%d,"errors":[{"pointer":"/lines/1/sku"}]}`, status)
		})
		for _, status := range []int{400, 404, 405, 409, 410, 412, 413, 415, 422, 429, 500, 503} {
			a := d.ask("POST", "/api/v1/orders?status="+strconv.Itoa(status), "{}")
			want := fmt.Sprintf(`{"type":"/problems/x","instance":"/orders/7", "status":%d,"errors":[{"pointer":"/lines/1/sku"}]}`, status)
			if a.status != status || a.body != want || a.header.Get("Content-Type") != "application/problem+json" || a.header.Get("Retry-After") != "7" || a.header.Get("Allow") != "GET, POST" {
				t.Errorf("%d comes out as %d %v %s", status, a.status, a.header, a.body)
			}
		}
	})
}

// Such responses keep their ETag.
func TestForwardsResponsesWithoutBody(t *testing.T) {
	ways(t, func(t *testing.T, w way) {
		d, _ := only(t, w, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"3"`)
			switch {
			case r.Header.Get("If-None-Match") == `"3"`:
				w.WriteHeader(http.StatusNotModified)
			case r.Method == http.MethodDelete:
				w.WriteHeader(http.StatusNoContent)
			default:
				fmt.Fprint(w, "{}")
			}
		})
		for want, a := range map[int]answer{
			http.StatusNotModified: d.ask("GET", "/api/v1/orders/7", "", "If-None-Match", `"3"`),
			http.StatusNoContent:   d.ask("DELETE", "/api/v1/ops/services/sales/dead-letters/7", ""),
			http.StatusOK:          d.ask("HEAD", "/api/v1/orders/7", ""),
		} {
			if a.status != want || a.body != "" || a.header.Get("ETag") != `"3"` {
				t.Errorf("want %d, got %d %q %v", want, a.status, a.body, a.header)
			}
		}
	})
}

// The gateway refuses unknown paths and methods.
func TestRefusesUnknownPathsAndMethods(t *testing.T) {
	seen := &requestLog{}
	d := opened(t, overHTTP, Config{}, seen.serveAll())
	for _, path := range []string{"/api/v1/nothing", "/api/v1", "/api/v1/"} {
		a := d.ask("GET", path, "")
		a.refused(t, path, http.StatusNotFound, "path_unknown")
		if !strings.Contains(a.body, "/api/v1") {
			t.Errorf("%s tells %s", path, a.body)
		}
	}
	d.ask("GET", "/dev/token", "").refused(t, "a sign-in that is not there", http.StatusNotFound, "path_unknown")
	d.ask("BREW", "/api/v1/orders", "").refused(t, "BREW", http.StatusMethodNotAllowed, "method_not_allowed")
	if asked := seen.take(); len(asked) > 0 {
		t.Errorf("the services received %v", asked)
	}
	d.ask("POST", "/healthz", "").refused(t, "a wrong method", http.StatusMethodNotAllowed, "method_not_allowed")
	for _, path := range []string{"/healthz", "/readyz"} {
		if a := d.ask("GET", path, "", "Authorization", ""); a.status != http.StatusOK {
			t.Errorf("%s gives %d", path, a.status)
		}
	}
}
