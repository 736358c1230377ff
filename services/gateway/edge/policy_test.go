package edge

import (
	"net/http"
	"strings"
	"testing"
)

// Anonymous callers may read products only.
func TestRequiresRolesForEverythingButProducts(t *testing.T) {
	ways(t, func(t *testing.T, w way) {
		seen := &requestLog{}
		d := opened(t, w, Config{}, seen.serveAll())
		for _, c := range []struct {
			method, path, authorization string
			passes                      bool
		}{
			{"GET", "/api/v1/products", "", true},
			{"GET", "/api/v1/products?q=cup", "", true},
			{"GET", "/api/v1/products/A", "", true},
			{"HEAD", "/api/v1/products/A", "", true},
			{"GET", "/api/v1/products/A", "Bearer wrong", false}, // invalid credentials are refused even where anonymous callers are allowed
			{"PUT", "/api/v1/products/A", "", false},
			{"POST", "/api/v1/products", "", false},
			{"DELETE", "/api/v1/products/A", "", false},
			{"PATCH", "/api/v1/products/A", "", false},
			{"TRACE", "/api/v1/products/A", "", false},
			{"GET", "/api/v1/orders", "", false},
			{"OPTIONS", "/api/v1/orders", "", false},
			{"GET", "/api/v1/skus/A", "", false},
			{"GET", "/api/v1/stats/summary", "", false},
			{"GET", "/api/v1/customers/ann/wishlist", "", false},
			{"POST", "/api/v1/receipts", "", false},
			{"POST", "/api/v1/adjustments", "", false},
			{"POST", "/api/v1/imports", "", false},
			{"DELETE", "/api/v1/imports/7", "", false},
			{"GET", "/api/v1/statsets", "Bearer wrong", false},
			{"POST", "/api/v1/orders", "Bearer " + token, true},
			{"POST", "/api/v1/orders", "bearer " + token, true},
			{"POST", "/api/v1/orders", "BEARER   " + token, true},
			{"PUT", "/api/v1/products/A", "bEaReR " + token, true},
			{"POST", "/api/v1/orders", "Bearer", false},
			{"POST", "/api/v1/orders", "Bearer ", false},
			{"POST", "/api/v1/orders", "Bearer " + token + "x", false},
			{"POST", "/api/v1/orders", "Bearer " + token[1:], false},
			{"POST", "/api/v1/orders", "Bearer " + strings.ToUpper(token), false},
			{"POST", "/api/v1/orders", "Bearer " + internal, false},
			{"POST", "/api/v1/orders", "Bearer" + token, false},
			{"POST", "/api/v1/orders", "Basic " + token, false},
			{"POST", "/api/v1/orders", token, false},
		} {
			a := d.ask(c.method, c.path, "", "Authorization", c.authorization)
			asked := len(seen.take())
			what := c.method + " " + c.path + " with " + c.authorization
			switch {
			case c.passes && (a.status != http.StatusOK || asked != 1):
				t.Errorf("%s gives %d %s", what, a.status, a.body)
			case !c.passes && (asked != 0 || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer ")):
				t.Errorf("%s gives %d; %d requests reached services", what, a.status, asked)
			case !c.passes && c.authorization == "":
				a.refused(t, what, http.StatusUnauthorized, "token_required")
			case !c.passes:
				a.refused(t, what, http.StatusUnauthorized, "token_invalid")
			}
		}
	})
}

// A path leads to its service below a public route, or nowhere, whatever its encoding.
func TestForwardsOnlyPublicPaths(t *testing.T) {
	ways(t, func(t *testing.T, w way) {
		seen := &requestLog{}
		d := opened(t, w, Config{}, seen.serveAll())
		for target, want := range map[string]string{ // "": no service
			"/api/v1/products/../orders":                    "",
			"/api/v1/products/..":                           "",
			"/api/v1/products/.":                            "",
			"/api/v1/products/./A":                          "",
			"/api/v1/products/A/../../feed":                 "",
			"/api/v1/products/%2e%2e/orders":                "",
			"/api/v1/products/%2E./orders":                  "",
			"/api/v1/products/.%2e":                         "",
			"/api/v1/products/..%2Forders":                  "",
			"/api/v1/products%2F..%2Forders":                "",
			"/api/v1/products%2FA":                          "",
			"/api/v1%2Fproducts/A":                          "",
			"/api/v1/%70roducts/A":                          "",
			"/api/v1//products":                             "",
			"//api/v1/products":                             "",
			"/api/v1/products../feed":                       "",
			"/api/v1/productsx":                             "",
			"/api/v2/products":                              "",
			"/products/A":                                   "",
			"/api/v1/feed":                                  "",
			"/api/v1/dead-letters":                          "",
			"/api/v1/../feed":                               "",
			"/api/v1":                                       "",
			"/api/v1/":                                      "",
			"/api/v1/products/A.B":                          "catalog /products/A.B",
			"/api/v1/products/A..B":                         "catalog /products/A..B",
			"/api/v1/products/...":                          "catalog /products/...",
			"/api/v1/products/.A":                           "catalog /products/.A",
			"/api/v1/products/A%2FB":                        "catalog /products/A%2FB",
			"/api/v1/products/A%2fB?q=%2e%2e":               "catalog /products/A%2fB?q=%2e%2e",
			"/api/v1/products/A%252F%252e%252e":             "catalog /products/A%252F%252e%252e",
			"/api/v1/products/%252e%252e/orders":            "",
			"/api/v1/products/..%5Corders":                  "catalog /products/..%5Corders",
			"/api/v1/products//orders":                      "",
			"/api/v1/products/":                             "",
			"/api/v1/products/%C3%BC%20%3F":                 "catalog /products/%C3%BC%20%3F",
			"/api/v1/products?q=a+b&q=%26&x=;&y=%zz":        "catalog /products?q=a+b&q=%26&x=;&y=%zz",
			"/api/v1/products?":                             "catalog /products?",
			"/api/v1/skus?code=A&code=B":                    "inventory /skus?code=A&code=B",
			"/api/v1/skus/A":                                "inventory /skus/A",
			"/api/v1/imports/7":                             "inventory /imports/7",
			"/api/v1/orders/1":                              "sales /orders/1",
			"/api/v1/wishlist/A%2FB?limit=1":                "wishlist /customers/ann/wishlist/A%2FB?limit=1",
			"/api/v1/wishlist":                              "wishlist /customers/ann/wishlist",
			"/api/v1/customers/ann/wishlist":                "wishlist /customers/ann/wishlist",
			"/api/v1/stats/sales/daily?from=1":              "stats /sales/daily?from=1",
			"/api/v1/stats/summary":                         "stats /sales/summary",
			"/api/v1/stats/feed":                            "",
			"/api/v1/stats":                                 "",
			"/api/v1/products/A/B":                          "",
			"/api/v1/orders/":                               "",
			"/api/v1/orders//":                              "",
			"/api/v1/orders//ship":                          "",
			"/api/v1/customers//wishlist":                   "",
			"/api/v1/Products":                              "",
			"/api/v1/products;x=1":                          "",
			"/api/v1/ops/services/sales/subscriptions/":     "",
			"/api/v1/ops/services/sales/subscriptions":      "sales /subscriptions",
			"/api/v1/ops/services/sales/dead-letters/x/y/z": "",
			"/api/v1/products/" + strings.Repeat("a", 4000): "catalog /products/" + strings.Repeat("a", 4000),
			"/api/v1/" + strings.Repeat("products/", 1000):  "",
			"http://elsewhere/api/v1/products/A":            "catalog /products/A",
			"http://sales:8084/api/v1/products?next=":       "catalog /products?next=",
		} {
			said := d.raw("GET " + target + " HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer " + token + "\r\nConnection: close\r\n\r\n")
			got := ""
			for _, asked := range seen.take() {
				got += asked.service + " " + asked.uri
			}
			if got != want {
				t.Errorf("%s leads to %q, want %q", target, got, want)
			}
			below := strings.HasPrefix(target, "/api/") // elsewhere are the pages
			if want == "" && below && (!strings.HasPrefix(said, "HTTP/1.1 404 ") || !strings.Contains(said, `"code":"path_unknown"`)) {
				t.Errorf("%s gives %s", target, said)
			}
		}
	})
}

func TestProductPathsDoNotBypassAuthorization(t *testing.T) {
	seen := &requestLog{}
	d := opened(t, overHTTP, Config{}, seen.serveAll())
	for _, target := range []string{
		"/api/v1/products/../orders", "/api/v1/products/%2e%2e/orders", "/api/v1/products/..%2forders", "/api/v1/products%2f..%2forders",
		"/api/v1/orders?/api/v1/products", "/api/v1/orders/../products", "/api/v1/orders/%2e%2e/products", "/api/v1/orders%2f..%2fproducts",
		"/api/v1/orders#/api/v1/products", "/api/v1/orders;/api/v1/products", "/api/v1//products/../orders",
	} {
		said := d.raw("GET " + target + " HTTP/1.1\r\nHost: shop\r\nX-Original-URL: /api/v1/products\r\nX-HTTP-Method-Override: GET\r\nConnection: close\r\n\r\n")
		if asked := seen.take(); len(asked) != 0 || !strings.HasPrefix(said, "HTTP/1.1 40") {
			t.Errorf("%s leads to %v: %s", target, asked, said)
		}
	}
}
