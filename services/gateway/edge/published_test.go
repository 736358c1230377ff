package edge

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"quadrille/internal/platform/app"
	"quadrille/services"
)

// The server refuses to start if the public document and the services' public paths
// contradict each other, and says where and what to do.
func TestRefusesDocumentThatContradictsTheRoutes(t *testing.T) {
	t.Parallel()
	with := func(paths ...app.Route) []app.Service {
		return append(services.All(), app.Service{Name: "albums", Public: paths})
	}
	stickers := app.Route{Path: "/stickers", Read: []app.Role{app.Customer}}
	for name, c := range map[string]struct {
		services []app.Service
		document []byte
		want     string
	}{
		"not published": {with(stickers), document(t), "albums makes the path /stickers public in its wire.go, and the public document has no operation at or below it: " +
			"publish one in services/gateway/overlay.yaml, run go generate ./services/gateway and build again, or remove the path"},
		"own path not published": {
			with(app.Route{Path: "/customers/{customer}/stickers", Own: "/stickers"}), documentWith(t, "/api/v1/customers/{customer}/stickers: { get: { x-roles: [staff] } }"),
			"albums makes the path /stickers public",
		},
		"not routed": {
			services.All(), documentWith(t, "/api/v1/stickers: { get: { x-roles: [customer] } }"),
			"the public document has /api/v1/stickers, and no service in services/registry.go makes that path public: add it to Public in the wire.go of its service, or remove it from services/gateway/overlay.yaml",
		},
		"other roles": {
			with(stickers), documentWith(t, "/api/v1/stickers: { get: { x-roles: [customer, staff] } }"),
			"GET /api/v1/stickers is for customer, staff by x-roles in the public document, and for customer by Public in the wire.go of albums: correct one of them",
		},
		"everybody": {
			with(stickers), documentWith(t, "/api/v1/stickers: { get: { x-roles: [] } }"),
			"GET /api/v1/stickers is for everybody by x-roles in the public document, and for customer by Public in the wire.go of albums",
		},
		"staff alone": {
			with(stickers), documentWith(t, "/api/v1/stickers: { put: { x-roles: [customer] } }"),
			"PUT /api/v1/stickers is for customer by x-roles in the public document, and for staff by Public in the wire.go of albums",
		},
		"no YAML": {services.All(), []byte("paths: ["), "read the public document: "},
	} {
		_, err := New(Config{Services: c.services, Document: c.document})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the error is %v, want %q", name, err, c.want)
		}
	}
	public, err := readPublicPaths(documentWith(t, "/api/v1/stickers/{id}: { get: { x-roles: [customer] } }"))
	if err != nil {
		t.Fatal(err)
	}
	if err := public.check(newRouteTable(with(stickers))); err != nil {
		t.Errorf("a document that agrees with the routes is refused: %v", err)
	}
}

// Whatever the path, an anonymous caller reaches only the operations of products, and the
// service gets the path that the caller sent.
func FuzzAnonymousCallersReachOnlyProducts(f *testing.F) {
	for _, path := range []string{
		"/api/v1/products", "/api/v1/products/A", "/api/v1/products/A%2FB", "/api/v1/products/%2e%2e/orders", "/api/v1/products/..%2forders", "/api/v1//products",
		"/api/v1/products/;/../orders", "/api/v1/orders", "/api/v1/customers//wishlist", "/api/v1/wishlist", "/api/v1/ops/keys", "/api/v1/products/%00", "/api/v1/products/A/",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS"} {
			f.Add(method, path)
		}
	}
	seen := &requestLog{}
	d := opened(f, inMemory, Config{}, seen.serveAll())
	f.Fuzz(func(t *testing.T, method, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || u.Host != "" || !strings.HasPrefix(path, "/") {
			t.Skip("no server gets such a target")
		}
		r := &http.Request{Method: method, URL: u, Host: "shop", RequestURI: path, Header: http.Header{}, Body: http.NoBody, RemoteAddr: "192.0.2.1:1"}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		d.server.e.ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx))
		if ctx.Err() != nil {
			t.Fatalf("%q %q takes longer than 5 s", method, path)
		}
		for _, asked := range seen.take() {
			sku, below := strings.CutPrefix(u.EscapedPath(), prefix+"/products/")
			allowed := u.EscapedPath() == prefix+"/products" || below && sku != "" && !strings.Contains(sku, "/")
			sent, _, _ := strings.Cut(asked.uri, "?")
			if !allowed || asked.service != "catalog" || method != http.MethodGet && method != http.MethodHead || prefix+sent != u.EscapedPath() {
				t.Errorf("%s %s asks %s for %s %s", method, path, asked.service, asked.method, asked.uri)
			}
		}
	})
}
