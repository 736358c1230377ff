package sales

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"quadrille/internal/platform/rest"
	"quadrille/pkg/fault"
)

// serve returns an Echo that serves the API of s.
func serve(t testing.TB, s *Service) *echo.Echo {
	t.Helper()
	e, err := rest.New(rest.Config{
		Service: Name, Spec: spec, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	routes(e, s)
	return e
}

// ask sends a request. header alternates names and values.
func ask(t *testing.T, e *echo.Echo, method, path, body string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	}
	for pair := range slices.Chunk(header, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t *testing.T, resp *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func decode[T any](t *testing.T, resp *http.Response) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(bodyOf(t, resp)), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

const wish = `{"customer":"17850","external_id":"536365","lines":[{"sku":"a","quantity":2},{"sku":"B","quantity":1}]}`

func TestReplayRepeatsTheResponseByteForByte(t *testing.T) {
	each(t, func(t *testing.T, s *Service, catalog *fakeCatalog) {
		e := serve(t, s)
		first := ask(t, e, http.MethodPost, "/orders", wish, "Idempotency-Key", "k1")
		body := bodyOf(t, first)
		o := unmarshal(t, body)
		if first.StatusCode != 201 || first.Header.Get("ETag") != `"1"` || first.Header.Get("Location") != "/orders/"+o.ID || first.Header.Get("Idempotency-Replayed") != "" {
			t.Fatalf("got %d %v %s", first.StatusCode, first.Header, body)
		}
		if resp := ask(t, e, http.MethodPost, "/orders/"+o.ID+"/cancel", ""); resp.StatusCode != 200 || resp.Header.Get("ETag") != `"2"` {
			t.Fatalf("cancel: %d %v", resp.StatusCode, resp.Header)
		}
		catalog.setDown(true)
		withdraw(t, s, "A")
		again := ask(t, e, http.MethodPost, "/orders", strings.ReplaceAll(wish, ",", " , "), "Idempotency-Key", "k1")
		if got := bodyOf(t, again); got != body {
			t.Errorf("got body\n%s\nwant\n%s", got, body)
		}
		if again.Header.Get("Idempotency-Replayed") != "true" {
			t.Error("the replay lacks Idempotency-Replayed: true")
		}
		again.Header.Del("Idempotency-Replayed")
		for _, name := range []string{"X-Request-Id", "Date"} {
			first.Header.Del(name)
			again.Header.Del(name)
		}
		if again.StatusCode != 201 || len(first.Header) != len(again.Header) || again.Header.Get("ETag") != `"1"` || again.Header.Get("Location") != "/orders/"+o.ID {
			t.Errorf("got %d %v, was %v", again.StatusCode, again.Header, first.Header)
		}
	})
}

type orderJSON struct {
	ID     string `json:"id"`
	Status string `json:"status"`
}

func unmarshal(t *testing.T, body string) (o orderJSON) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestRefusedRequestsGetAProblemDocument(t *testing.T) {
	each(t, func(t *testing.T, s *Service, _ *fakeCatalog) {
		e := serve(t, s)
		o := unmarshal(t, bodyOf(t, ask(t, e, http.MethodPost, "/orders", wish)))
		for name, tc := range map[string]struct {
			method, path, body string
			header             []string
			status             int
			code, pointer      string
		}{
			"unknown SKUs":   {"POST", "/orders", `{"customer":"c","lines":[{"sku":"A","quantity":1},{"sku":"nope","quantity":1}]}`, nil, 422, "sku_unknown", "/lines/1/sku"},
			"too many":       {"POST", "/orders", `{"customer":"c","lines":[{"sku":"A","quantity":1000000000},{"sku":"a","quantity":1}]}`, nil, 422, "quantity_invalid", "/lines/1/quantity"},
			"no lines":       {"POST", "/orders", `{"customer":"c","lines":[]}`, nil, 422, "request_invalid", "/lines"},
			"external ID":    {"POST", "/orders", `{"customer":"c","external_id":"a\tb","lines":[{"sku":"A","quantity":1}]}`, nil, 422, "external_id_invalid", "/external_id"},
			"NUL":            {"POST", "/orders", `{"customer":"c","external_id":"a\u0000b","lines":[{"sku":"A","quantity":1}]}`, nil, 400, "text_malformed", ""},
			"key":            {"POST", "/orders", wish, []string{"Idempotency-Key", "a\xff"}, 422, "idempotency_key_invalid", "#/header/Idempotency-Key"},
			"reused":         {"POST", "/orders", strings.Replace(wish, "17850", "1", 1), nil, 422, "idempotency_key_reused", "/external_id"},
			"unknown order":  {"GET", "/orders/none", "", nil, 404, "order_unknown", ""},
			"unprintable":    {"GET", "/orders/%00", "", nil, 400, "text_malformed", "#/path"},
			"unknown status": {"GET", "/orders?status=lost", "", nil, 422, "request_invalid", "#/query/status"},
			"bad cursor":     {"GET", "/orders?after=bm9uZQ", "", nil, 400, "cursor_invalid", "#/query/after"},
			"not confirmed":  {"POST", "/orders/" + o.ID + "/ship", "", nil, 409, "order_not_confirmed", ""},
			"stale":          {"POST", "/orders/" + o.ID + "/cancel", "", []string{"If-Match", `"7"`}, 412, "version_stale", "#/header/If-Match"},
			"cancel unknown": {"POST", "/orders/none/cancel", "", nil, 404, "order_unknown", ""},
			"wrong method":   {"DELETE", "/orders/" + o.ID, "", nil, 405, "method_not_allowed", ""},
		} {
			resp := ask(t, e, tc.method, tc.path, tc.body, tc.header...)
			p := decode[fault.Problem](t, resp)
			pointed := tc.pointer == "" || slices.ContainsFunc(p.Errors, func(f fault.Field) bool { return f.Pointer == tc.pointer })
			if resp.StatusCode != tc.status || p.Code != tc.code || !pointed || resp.Header.Get("Content-Type") != fault.ProblemType {
				t.Errorf("%s: got %d %+v, want %d %s at %q", name, resp.StatusCode, p, tc.status, tc.code, tc.pointer)
			}
		}
		if n := count(t, s, "orders"); n != 1 {
			t.Errorf("got %d orders", n)
		}
	})
}

func TestPagesListEveryOrderOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Service, _ *fakeCatalog) {
		e := serve(t, s)
		want := []string{place(t, s, one("A")).ID, place(t, s, one("A")).ID, place(t, s, one("A")).ID}
		if got := paged(t, e, "/orders?customer=17850&limit=2"); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		slices.Reverse(want)
		if got := paged(t, e, "/orders?customer=17850&limit=2&sort=-id"); !slices.Equal(got, want) {
			t.Errorf("newest first: got %v, want %v", got, want)
		}
		for from, to := range map[string]string{"sort=-id": "sort=id", "sort=id": "sort=-id"} {
			page := decode[struct{ Next string }](t, ask(t, e, http.MethodGet, "/orders?limit=2&"+from, ""))
			other := ask(t, e, http.MethodGet, "/orders?limit=2&"+to+"&after="+page.Next, "")
			if other.StatusCode != http.StatusBadRequest {
				t.Errorf("a cursor of %s used with %s: got status %d", from, to, other.StatusCode)
			}
		}
	})
}

// paged returns the IDs on all pages of a list.
func paged(t *testing.T, e *echo.Echo, path string) (ids []string) {
	t.Helper()
	for path != "" {
		resp := ask(t, e, http.MethodGet, path, "")
		page := decode[struct {
			Items []orderJSON `json:"items"`
			Next  *string     `json:"next"`
		}](t, resp)
		for _, o := range page.Items {
			ids = append(ids, o.ID)
		}
		link, _, more := strings.Cut(strings.TrimPrefix(resp.Header.Get("Link"), "<"), ">")
		if more != (page.Next != nil) {
			t.Errorf("Link is %q, next %v", link, page.Next)
		}
		path = link
	}
	return ids
}

func TestReturnsNotModifiedWhenTheOrderIsUnchanged(t *testing.T) {
	each(t, func(t *testing.T, s *Service, _ *fakeCatalog) {
		e := serve(t, s)
		path := "/orders/" + place(t, s, one("A")).ID
		if resp := ask(t, e, http.MethodGet, path, "", "If-None-Match", `W/"1"`); resp.StatusCode != 304 || resp.Header.Get("ETag") != `"1"` {
			t.Errorf("got %d %v", resp.StatusCode, resp.Header)
		}
		if resp := ask(t, e, http.MethodGet, path, "", "If-None-Match", `"2"`); resp.StatusCode != 200 {
			t.Errorf("got %d", resp.StatusCode)
		}
	})
}
