package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"quadrille/pkg/fault"
	"quadrille/test/harness"
)

// hostile is a request that must be refused, with a problem that says where.
type hostile struct {
	service, method, path, body string
	header                      string // "Name: value"
	status                      int
	code, pointer               string
}

func hostiles() map[string]hostile {
	order := func(line string) string { return `{"customer":"ann","lines":[` + line + `]}` }
	long := strings.Repeat("A", 65)
	return map[string]hostile{
		"malformed JSON":           {"sales", "POST", "/orders", `{"customer":`, "", 400, "json_malformed", ""},
		"two values":               {"sales", "POST", "/orders", order(`{"sku":"A","quantity":1}`) + "{}", "", 400, "json_malformed", ""},
		"no body":                  {"sales", "POST", "/orders", "", "", 400, "body_missing", ""},
		"an unknown field":         {"sales", "POST", "/orders", `{"customer":"ann","lines":[{"sku":"A","quantity":1}],"price":1}`, "", 400, "request_malformed", ""},
		"an unknown field deeper":  {"sales", "POST", "/orders", order(`{"sku":"A","quantity":1,"price":1}`), "", 400, "request_malformed", "/lines/0"},
		"a wrong type":             {"sales", "POST", "/orders", order(`{"sku":"A","quantity":"1"}`), "", 400, "request_malformed", "/lines/0/quantity"},
		"a list for an object":     {"sales", "POST", "/orders", `[]`, "", 400, "request_malformed", ""},
		"an empty order":           {"sales", "POST", "/orders", order(""), "", 422, "request_invalid", "/lines"},
		"a missing field":          {"sales", "POST", "/orders", `{"lines":[{"sku":"A","quantity":1}]}`, "", 422, "request_invalid", "/customer"},
		"quantity 0":               {"sales", "POST", "/orders", order(`{"sku":"A","quantity":0}`), "", 422, "request_invalid", "/lines/0/quantity"},
		"quantity -1":              {"sales", "POST", "/orders", order(`{"sku":"A","quantity":-1}`), "", 422, "request_invalid", "/lines/0/quantity"},
		"quantity 10^18":           {"sales", "POST", "/orders", order(`{"sku":"A","quantity":1000000000000000000}`), "", 422, "request_invalid", "/lines/0/quantity"},
		"quantity 10^30":           {"sales", "POST", "/orders", order(`{"sku":"A","quantity":1` + strings.Repeat("0", 30) + `}`), "", 422, "request_invalid", "/lines/0/quantity"},
		"quantity 1.5":             {"sales", "POST", "/orders", order(`{"sku":"A","quantity":1.5}`), "", 400, "request_malformed", "/lines/0/quantity"},
		"a SKU of 65":              {"sales", "POST", "/orders", order(`{"sku":"` + long + `","quantity":1}`), "", 422, "request_invalid", "/lines/0/sku"},
		"a SKU with a slash":       {"sales", "POST", "/orders", order(`{"sku":"A/B","quantity":1}`), "", 422, "request_invalid", "/lines/0/sku"},
		"a SKU of 65 in a path":    {"inventory", "GET", "/skus/" + long, "", "", 422, "request_invalid", "#/path/code"},
		"a slash in a path":        {"inventory", "GET", "/skus/A%2FB", "", "", 422, "request_invalid", "#/path/code"},
		"an unknown SKU":           {"inventory", "GET", "/skus/NOPE", "", "", 404, "sku_unknown", ""},
		"an unknown SKU ordered":   {"sales", "POST", "/orders", order(`{"sku":"KNOWN","quantity":1},{"sku":"NOPE","quantity":1}`), "", 422, "sku_unknown", "/lines/1/sku"},
		"a body over the limit":    {"sales", "POST", "/orders", `{"customer":"` + strings.Repeat("a", 1<<20) + `"}`, "", 413, "body_too_large", ""},
		"another type of body":     {"sales", "POST", "/orders", "a=b", "Content-Type: text/plain", 415, "media_type_unsupported", ""},
		"a cursor tampered with":   {"inventory", "GET", "/skus?after=AAAAAAAAAAAA", "", "", 400, "cursor_invalid", "#/query/after"},
		"a cursor of another list": {"catalog", "GET", "/products?after=" + "c2t1cwBB", "", "", 400, "cursor_invalid", "#/query/after"},
		"limit 0":                  {"inventory", "GET", "/skus?limit=0", "", "", 422, "request_invalid", "#/query/limit"},
		"limit 501":                {"inventory", "GET", "/skus?limit=501", "", "", 422, "request_invalid", "#/query/limit"},
		"limit x":                  {"inventory", "GET", "/skus?limit=x", "", "", 400, "request_malformed", "#/query/limit"},
		"a wrong method":           {"sales", "DELETE", "/orders", "", "", 405, "method_not_allowed", ""},
		"an unknown path":          {"sales", "GET", "/order", "", "", 404, "path_unknown", ""},
		"an unknown order":         {"sales", "GET", "/orders/nope", "", "", 404, "order_unknown", ""},
		"a stale If-Match":         {"catalog", "PUT", "/products/KNOWN", `{"title":"x","price":{"amount":"1.00","currency":"GBP"}}`, `If-Match: "99"`, 412, "version_stale", "#/header/If-Match"},
		"If-Match on nothing":      {"catalog", "PUT", "/products/NEW", `{"title":"x","price":{"amount":"1.00","currency":"GBP"}}`, `If-Match: *`, 412, "version_stale", "#/header/If-Match"},
		"a stale delete":           {"catalog", "DELETE", "/products/KNOWN", "", `If-Match: W/"1"`, 412, "version_stale", "#/header/If-Match"},
		"too many decimals":        {"catalog", "PUT", "/products/KNOWN", `{"title":"x","price":{"amount":"1.005","currency":"GBP"}}`, "", 422, "price_invalid", "/price"},
		"no currency":              {"catalog", "PUT", "/products/KNOWN", `{"title":"x","price":{"amount":"1.00","currency":"ABC"}}`, "", 422, "price_invalid", "/price"},
		"an adjustment by 0":       {"inventory", "POST", "/adjustments", `{"external_id":"z","sku":"KNOWN","delta":0,"reason":"x"}`, "", 422, "delta_zero", "/delta"},
		"more gone than there":     {"inventory", "POST", "/adjustments", `{"external_id":"z","sku":"KNOWN","delta":-6,"reason":"x"}`, "", 422, "stock_reserved", ""},
		"a reused external_id":     {"inventory", "POST", "/receipts", `{"external_id":"r1","sku":"KNOWN","quantity":6}`, "", 409, "external_id_reused", "/external_id"},
		"CSV that is none":         {"inventory", "POST", "/imports", "\x00\x01\x02", "Content-Type: text/csv", 400, "csv_malformed", ""},
		"CSV without a column":     {"inventory", "POST", "/imports", "external_id,sku\na,b\n", "Content-Type: text/csv", 400, "csv_column_missing", ""},
		"CSV of another charset":   {"inventory", "POST", "/imports", "external_id,sku,quantity\na,b,1\n", "Content-Type: text/csv; charset=utf-7", 415, "media_type_unsupported", ""},
		"a broken Content-Type":    {"inventory", "POST", "/imports", "external_id,sku,quantity\na,b,1\n", "Content-Type: text/csv; charset", 415, "media_type_unsupported", ""},
		"CSV with a column twice":  {"inventory", "POST", "/imports", "external_id,sku,quantity,sku\na,b,1,c\n", "Content-Type: text/csv", 400, "csv_column_twice", ""},
		"another separator":        {"inventory", "POST", "/imports", "sep=:\nexternal_id:sku:quantity\na:b:1\n", "Content-Type: text/csv", 400, "csv_separator_unsupported", ""},
		"UTF-32":                   {"inventory", "POST", "/imports", "\xff\xfe\x00\x00e\x00\x00\x00", "Content-Type: text/csv", 400, "charset_unsupported", ""},
		"an unknown import":        {"inventory", "DELETE", "/imports/nope", "", "", 404, "import_unknown", ""},
		"an empty CSV":             {"inventory", "POST", "/imports", "", "Content-Type: text/csv", 400, "csv_empty", ""},
		"a customer with a slash":  {"wishlist", "PUT", "/customers/a%2Fb/wishlist/A", "", "", 422, "request_invalid", "#/path/customer"},
	}
}

func TestBadInputIsRefusedAndChangesNothing(t *testing.T) {
	harness.Each(t, func(t *testing.T, s *harness.Shop) {
		offer(t, s, "KNOWN", "1.00")
		receive(t, s, "r1", "KNOWN", 5)
		shows(t, s, "KNOWN", 5)
		agree(t, s)
		before := everything(t, s)
		for name, h := range hostiles() {
			t.Run(name, func(t *testing.T) { h.try(t, s) })
		}
		agree(t, s)
		if after := everything(t, s); after != before {
			t.Errorf("something changed:\n%s\n%s", before, after)
		}
	})
}

func (h hostile) try(t *testing.T, s *harness.Shop) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), h.method, s.URL(h.service)+h.path, strings.NewReader(h.body))
	if err != nil {
		t.Fatal(err)
	}
	if h.method != http.MethodGet {
		request.Header.Set("Content-Type", "application/json")
	}
	if name, value, given := strings.Cut(h.header, ": "); given {
		request.Header.Set(name, value)
	}
	answer, err := s.HTTP.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var p fault.Problem
	if err := json.Unmarshal(body, &p); err != nil || answer.Header.Get("Content-Type") != fault.ProblemType {
		t.Fatalf("no problem document: %s %.300s", answer.Header.Get("Content-Type"), body)
	}
	if answer.StatusCode != h.status || p.Status != h.status || p.Code != h.code || p.Detail == "" || p.Title == "" {
		t.Errorf("got %d %.600s, want %d %s", answer.StatusCode, body, h.status, h.code)
	}
	if h.pointer != "" && (len(p.Errors) == 0 || p.Errors[0].Pointer != h.pointer) {
		t.Errorf("errors are %+v, want one at %s", p.Errors, h.pointer)
	}
	if h.status == http.StatusMethodNotAllowed && !strings.Contains(answer.Header.Get("Allow"), "POST") {
		t.Errorf("Allow is %q", answer.Header.Get("Allow"))
	}
}

// everything returns the content of all the services' lists as text.
func everything(t *testing.T, s *harness.Shop) string {
	t.Helper()
	var b strings.Builder
	for _, list := range []string{"inventory/skus", "inventory/allocations", "catalog/products", "catalog/stock", "wishlist/stock", "sales/orders", "sales/prices"} {
		service, path, _ := strings.Cut(list, "/")
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL(service)+"/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := s.HTTP.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %v", list, answer.StatusCode, err)
		}
		fmt.Fprintf(&b, "%s %s", list, body)
	}
	return b.String()
}
