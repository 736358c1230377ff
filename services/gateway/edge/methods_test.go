package edge

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Every path supports the methods of the document, and HEAD with GET. Other methods get
// 405 with Allow, and reach no service.
func TestRefusesUnsupportedMethodsWithAllow(t *testing.T) {
	t.Parallel()
	seen := &requestLog{}
	d := opened(t, overHTTP, Config{}, seen.serveAll(), withDevRoutes(t))
	taken := map[string][]string{}
	for _, o := range operations(t) {
		if o.path != "/healthz" && o.path != "/readyz" {
			taken[o.target()] = append(taken[o.target()], o.method)
		}
	}
	for path, methods := range taken {
		if slices.Contains(methods, http.MethodGet) {
			methods = append(methods, http.MethodHead)
			if head := d.ask(http.MethodHead, path, ""); head.status == http.StatusMethodNotAllowed || head.body != "" {
				t.Errorf("HEAD %s gives %d %q", path, head.status, head.body)
			}
		}
		methods = append(methods, http.MethodOptions)
		slices.Sort(methods)
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "PROPFIND"} {
			if slices.Contains(methods, method) && method != "OPTIONS" {
				continue
			}
			seen.take()
			a := d.ask(method, path, "")
			if asked := seen.take(); len(asked) > 0 {
				t.Errorf("%s %s is forwarded", method, path)
			}
			if method == "OPTIONS" {
				if a.status != http.StatusNoContent {
					t.Errorf("OPTIONS %s gives %d %s", path, a.status, a.body)
				}
			} else {
				a.refused(t, method+" "+path, http.StatusMethodNotAllowed, "method_not_allowed")
			}
			allow := strings.Split(a.header.Get("Allow"), ", ")
			slices.Sort(allow)
			if !slices.Equal(allow, methods) {
				t.Errorf("%s %s: Allow %v, want %v", method, path, allow, methods)
			}
		}
	}
}

func TestHeadEqualsGetWithoutBody(t *testing.T) {
	t.Parallel()
	d := opened(t, overHTTP, Config{}, (&requestLog{}).serveAll(), withDevRoutes(t))
	for _, path := range []string{"/me", "/ops/services", "/ops/keys", "/ops/traces?subject=x", "/ops/history", "/ops/audits/none", "/products", "/orders/7"} {
		head, get := d.ask(http.MethodHead, prefix+path, ""), d.ask(http.MethodGet, prefix+path, "")
		if head.status != get.status || head.body != "" || head.header.Get("Content-Type") != get.header.Get("Content-Type") {
			t.Errorf("HEAD %s gives %d %s %q, GET %d %s", path, head.status, head.header.Get("Content-Type"), head.body, get.status, get.header.Get("Content-Type"))
		}
	}
}

func TestAnonymousCallersGet404And405(t *testing.T) {
	t.Parallel()
	d := opened(t, overHTTP, Config{}, nil)
	for _, method := range []string{"POST", "BREW"} {
		d.ask(method, "/readyz", "").refused(t, method, http.StatusMethodNotAllowed, "method_not_allowed")
	}
	for _, path := range []string{"/produce", "/productsets", "/ops/nothing"} {
		d.ask("GET", prefix+path, "", "Authorization", "").refused(t, path, http.StatusNotFound, "path_unknown")
	}
}
