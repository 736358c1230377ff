package wishlist

import (
	"net/http"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"quadrille/internal/platform/rest/resttest"
	"quadrille/internal/shop/stockcopy/stocktest"
	"quadrille/services/wishlist/api"
)

func serve(t *testing.T, s *Service) resttest.API {
	t.Helper()
	return resttest.Serve(t, Name, spec, func(e *echo.Echo) { routes(e, s) })
}

func TestWishLifecycleOverREST(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		inventory := stocktest.Inventory{}
		a := serve(t, s)
		const path = "/customers/Ann@example.org/wishlist/85123a"
		for _, step := range []struct {
			method, match string
			status        int
			etag          string
		}{
			{"GET", "", 404, ""},
			{"DELETE", "", 404, ""},
			{"PUT", "", 201, `"1"`},
			{"PUT", "", 200, `"1"`},
			{"GET", `"7", "1"`, 304, `"1"`},
			{"DELETE", "", 204, ""},
			{"DELETE", "", 404, ""},
			{"GET", "", 404, ""},
			{"PUT", "", 201, `"3"`},
		} {
			answer := a.Ask(step.method, path, "", "If-None-Match", step.match)
			if answer.Status != step.status || answer.Header.Get("ETag") != step.etag {
				t.Errorf("%s %s: got %d %s %s, want %d %s", step.method, step.match, answer.Status, answer.Header.Get("ETag"), answer.Body, step.status, step.etag)
			}
		}
		if i := resttest.Decode[api.Item](t, a.Ask(http.MethodGet, path, "")); i.Available || i.NotifiedAt != nil || i.Customer != "Ann@example.org" || i.Sku != "85123A" {
			t.Errorf("got %+v", i)
		}
		follow(t, s, inventory, inventory.Set("85123A", 3))
		answer := a.Ask(http.MethodGet, path, "")
		if i := resttest.Decode[api.Item](t, answer); !i.Available || i.NotifiedAt == nil || i.NotifiedAt.Before(i.WishedAt) || i.Version != 4 || answer.Header.Get("ETag") != `"4"` {
			t.Errorf("got %+v, ETag %s", i, answer.Header.Get("ETag"))
		}
	})
}

func TestRefusedRequestsGetAProblemDocument(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		a := serve(t, s)
		for name, tc := range map[string]struct {
			method, path string
			want         resttest.Refusal
		}{
			"unknown":         {"GET", "/customers/ann/wishlist/A", resttest.Refusal{Status: 404, Code: "wish_unknown"}},
			"SKU of 65":       {"PUT", "/customers/ann/wishlist/" + strings.Repeat("A", 65), resttest.Refusal{Status: 422, Code: "request_invalid", Pointer: "#/path/sku"}},
			"slash in SKU":    {"PUT", "/customers/ann/wishlist/a%2Fb", resttest.Refusal{Status: 422, Code: "request_invalid", Pointer: "#/path/sku"}},
			"customer of 65":  {"PUT", "/customers/" + strings.Repeat("a", 65) + "/wishlist/A", resttest.Refusal{Status: 422, Code: "request_invalid", Pointer: "#/path/customer"}},
			"customer's name": {"PUT", "/customers/a%20b/wishlist/A", resttest.Refusal{Status: 422, Code: "request_invalid", Pointer: "#/path/customer"}},
			"bad cursor":      {"GET", "/customers/ann/wishlist?after=bm9uZQ", resttest.Refusal{Status: 400, Code: "cursor_invalid", Pointer: "#/query/after"}},
			"stock cursor":    {"GET", "/stock?after=bm9uZQ", resttest.Refusal{Status: 400, Code: "cursor_invalid", Pointer: "#/query/after"}},
			"limit":           {"GET", "/customers/ann/wishlist?limit=0", resttest.Refusal{Status: 422, Code: "request_invalid", Pointer: "#/query/limit"}},
			"wrong method":    {"POST", "/customers/ann/wishlist", resttest.Refusal{Status: 405, Code: "method_not_allowed"}},
			"unknown path":    {"GET", "/customers", resttest.Refusal{Status: 404, Code: "path_unknown"}},
		} {
			tc.want.Check(t, name, a.Ask(tc.method, tc.path, ""))
		}
		checkNews(t, s, "")
	})
}

func TestPagesListEveryItemOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		a, inventory := serve(t, s), stocktest.Inventory{}
		for _, code := range []string{"C", "A", "E", "B", "D"} {
			wish(t, s, "ann", code)
			wish(t, s, "bob", code)
			inventory.Set(code, 1)
		}
		follow(t, s, inventory, inventory.Events()...)
		got := ""
		for _, i := range resttest.Pages[api.Item](t, a, "/customers/ann/wishlist?limit=2") {
			got += i.Customer + i.Sku + " "
		}
		for _, c := range resttest.Pages[api.Stock](t, a, "/stock?limit=2") {
			got += c.Sku
		}
		if got != "annA annB annC annD annE ABCDE" {
			t.Errorf("got %q", got)
		}
		if items := resttest.Pages[api.Item](t, a, "/customers/nobody/wishlist"); len(items) != 0 {
			t.Errorf("got %+v", items)
		}
	})
}
