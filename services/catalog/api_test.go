package catalog

import (
	"net/http"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"quadrille/internal/platform/rest/resttest"
	"quadrille/internal/shop/stockcopy/stocktest"
	"quadrille/services/catalog/api"
)

func serve(t *testing.T, s *Service) resttest.API {
	t.Helper()
	return resttest.Serve(t, Name, spec, func(e *echo.Echo) { routes(e, s) })
}

const holder = `{"title":"White hanging heart","description":"T-light holder","price":{"amount":"2.55","currency":"GBP"}}`

func TestProductLifecycleOverREST(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		inventory := stocktest.Inventory{}
		a := serve(t, s)
		for _, step := range []struct {
			method, body string
			header       []string
			status       int
			etag         string
		}{
			{"GET", "", nil, 404, ""},
			{"DELETE", "", nil, 404, ""},
			{"PUT", holder, []string{"If-Match", "*"}, 412, ""},
			{"PUT", holder, nil, 201, `"1"`},
			{"PUT", holder, nil, 200, `"1"`},
			{"PUT", holder, []string{"If-Match", `"7"`}, 412, ""},
			{"PUT", `{"title":"Heart","price":{"amount":"2.5","currency":"GBP"}}`, []string{"If-Match", `"1"`}, 200, `"2"`},
			{"GET", "", []string{"If-None-Match", `"1"`}, 200, `"2"`},
			{"GET", "", []string{"If-None-Match", `W/"2"`}, 304, `"2"`},
			{"DELETE", "", []string{"If-Match", `"1"`}, 412, ""},
			{"DELETE", "", []string{"If-Match", `"2"`}, 204, ""},
			{"DELETE", "", nil, 404, ""},
			{"GET", "", nil, 404, ""},
			{"PUT", holder, nil, 201, `"4"`},
		} {
			answer := a.Ask(step.method, "/products/85123a", step.body, step.header...)
			if answer.Status != step.status || answer.Header.Get("ETag") != step.etag {
				t.Errorf("%s %v: got %d %s %s, want %d %s", step.method, step.header, answer.Status, answer.Header.Get("ETag"), answer.Body, step.status, step.etag)
			}
		}
		follow(t, s, inventory, inventory.Set("85123A", 3))
		answer := a.Ask(http.MethodGet, "/products/85123A", "")
		p := resttest.Decode[api.Product](t, answer)
		if p.Sku != "85123A" || p.Price != (api.Money{Amount: "2.55", Currency: "GBP"}) || !p.Available || p.Quantity != 3 || p.Version != 5 || answer.Header.Get("ETag") != `"5"` {
			t.Errorf("got %+v, ETag %s", p, answer.Header.Get("ETag"))
		}
	})
}

func TestRefusedRequestsGetAProblemDocument(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		a := serve(t, s)
		put(t, s, "A", terms("A", 1))
		for name, tc := range map[string]struct {
			method, path, body string
			want               resttest.Refusal
		}{
			"unknown":            {"GET", "/products/B", "", resttest.Refusal{Status: 404, Code: "product_unknown"}},
			"decimals":           {"PUT", "/products/A", `{"title":"A","price":{"amount":"2.555","currency":"GBP"}}`, resttest.Refusal{Status: 422, Code: "price_invalid", Pointer: "/price"}},
			"no currency":        {"PUT", "/products/A", `{"title":"A","price":{"amount":"2","currency":"QQQ"}}`, resttest.Refusal{Status: 422, Code: "price_invalid", Pointer: "/price"}},
			"a number as amount": {"PUT", "/products/A", `{"title":"A","price":{"amount":2.5,"currency":"GBP"}}`, resttest.Refusal{Status: 400, Code: "request_malformed", Pointer: "/price/amount"}},
			"negative amount":    {"PUT", "/products/A", `{"title":"A","price":{"amount":"-1","currency":"GBP"}}`, resttest.Refusal{Status: 422, Code: "request_invalid", Pointer: "/price/amount"}},
			"amount too large":   {"PUT", "/products/A", `{"title":"A","price":{"amount":"1000000000000000","currency":"GBP"}}`, resttest.Refusal{Status: 422, Code: "request_invalid", Pointer: "/price/amount"}},
			"no title":           {"PUT", "/products/A", `{"title":"","price":{"amount":"1","currency":"GBP"}}`, resttest.Refusal{Status: 422, Code: "request_invalid", Pointer: "/title"}},
			"no price":           {"PUT", "/products/A", `{"title":"A"}`, resttest.Refusal{Status: 422, Code: "request_invalid"}},
			"unknown field":      {"PUT", "/products/A", `{"title":"A","price":{"amount":"1","currency":"GBP"},"quantity":9}`, resttest.Refusal{Status: 400, Code: "request_malformed"}},
			"SKU of 65":          {"PUT", "/products/" + strings.Repeat("A", 65), holder, resttest.Refusal{Status: 422, Code: "request_invalid", Pointer: "#/path/sku"}},
			"SKU in a list":      {"GET", "/products?sku=A&sku=a%2Fb", "", resttest.Refusal{Status: 422, Code: "request_invalid"}},
			"available":          {"GET", "/products?available=maybe", "", resttest.Refusal{Status: 400, Code: "request_malformed", Pointer: "#/query/available"}},
			"bad cursor":         {"GET", "/products?after=bm9uZQ", "", resttest.Refusal{Status: 400, Code: "cursor_invalid", Pointer: "#/query/after"}},
			"bad stock cursor":   {"GET", "/stock?after=bm9uZQ", "", resttest.Refusal{Status: 400, Code: "cursor_invalid", Pointer: "#/query/after"}},
			"limit":              {"GET", "/products?limit=501", "", resttest.Refusal{Status: 422, Code: "request_invalid", Pointer: "#/query/limit"}},
			"wrong method":       {"POST", "/products", "", resttest.Refusal{Status: 405, Code: "method_not_allowed"}},
		} {
			tc.want.Check(t, name, a.Ask(tc.method, tc.path, tc.body))
		}
		checkNews(t, s, "changed A@1, ")
	})
}

func TestPagesListEveryItemOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		a, inventory := serve(t, s), stocktest.Inventory{}
		for _, code := range []string{"C", "A", "E", "B", "D"} {
			put(t, s, code, terms("thing "+code, 100))
			inventory.Set(code, 1)
		}
		follow(t, s, inventory, inventory.Events()...)
		got := ""
		for _, p := range resttest.Pages[api.Product](t, a, "/products?limit=2&q=THING&available=true&sku=a&sku=b&sku=c&sku=e") {
			got += p.Sku + p.Price.Amount + " "
		}
		for _, c := range resttest.Pages[api.Stock](t, a, "/stock?limit=2") {
			got += c.Sku
		}
		if got != "A1.00 B1.00 C1.00 E1.00 ABCDE" {
			t.Errorf("got %q", got)
		}
	})
}
