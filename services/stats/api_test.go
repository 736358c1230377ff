package stats

import (
	"net/http"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"quadrille/internal/platform/rest/resttest"
	"quadrille/services/stats/api"
)

func serve(t *testing.T, s *Service) resttest.API {
	t.Helper()
	return resttest.Serve(t, Name, spec, func(e *echo.Echo) { routes(e, s) })
}

// checkAnswers compares response bodies byte for byte.
func checkAnswers(t *testing.T, s *Service, want map[string]string) {
	t.Helper()
	a := serve(t, s)
	for path, body := range want {
		if answer := a.Ask(http.MethodGet, path, ""); answer.Status != http.StatusOK || strings.TrimSpace(answer.Body) != body {
			t.Errorf("GET %s: got %d %s, want %s", path, answer.Status, answer.Body, body)
		}
	}
}

func TestFiguresOverREST(t *testing.T) {
	each(t, func(t *testing.T, s *Service, sales *fakeSales) {
		december(t, s, sales)
		checkAnswers(t, s, map[string]string{
			"/sales/summary": `{"cancelled":1,"confirmed":3,"orders":7,"rejected":1,"revenue":{"amount":"40.00","currency":"EUR"},` +
				`"revenues":[{"amount":"40.00","currency":"EUR"},{"amount":"23.09","currency":"GBP"}],"shipped":1,"units":13}`,
			"/sales/daily?from=2010-12-01&to=2010-12-02": `{"items":[{"day":"2010-12-01","orders":1,"revenue":{"amount":"40.00","currency":"EUR"},"units":4},` +
				`{"day":"2010-12-01","orders":1,"revenue":{"amount":"6.10","currency":"GBP"},"units":3}]}`,
			"/sales/daily?from=2010-12-31": `{"items":[{"day":"2010-12-31","orders":1,"revenue":{"amount":"13.99","currency":"GBP"},"units":3}]}`,
			"/sales/top?limit=1":           `{"items":[{"revenue":{"amount":"10.10","currency":"GBP"},"sku":"A","title":"Title of A","units":4}]}`,
			"/orders?limit=1": `{"items":[{"id":"o1","placed_at":"2010-12-01T12:00:00Z","status":"confirmed",` +
				`"total":{"amount":"6.10","currency":"GBP"},"units":3,"version":2}],"next":"` + cursorAfter(t, s) + `"}`,
		})
	})
}

// cursorAfter returns the cursor after the first copy. Cursors are opaque, so that the test
// reads it from the API.
func cursorAfter(t *testing.T, s *Service) string {
	t.Helper()
	page := resttest.Decode[api.OrderPage](t, serve(t, s).Ask(http.MethodGet, "/orders?limit=1", ""))
	if page.Next == nil {
		t.Fatal("the page has no next cursor")
	}
	return *page.Next
}

func TestEmptyFiguresOverREST(t *testing.T) {
	each(t, func(t *testing.T, s *Service, _ *fakeSales) {
		checkAnswers(t, s, map[string]string{
			"/sales/summary": `{"cancelled":0,"confirmed":0,"orders":0,"rejected":0,"revenue":{"amount":"0.00","currency":"GBP"},"revenues":[],"shipped":0,"units":0}`,
			"/sales/daily":   `{"items":[]}`,
			"/sales/top":     `{"items":[]}`,
			"/orders":        `{"items":[]}`,
		})
	})
}

// The revenue is that of the currency with the most. On a tie it is GBP, else the first by
// name.
func TestRevenueUsesTheLargestCurrency(t *testing.T) {
	for _, tc := range []struct {
		revenue        Revenue
		main, currency string
	}{
		{Revenue{}, "0.00", "GBP"},
		{Revenue{"GBP": 255}, "2.55", "GBP"},
		{Revenue{"USD": 0}, "0.00", "USD"},
		{Revenue{"GBP": 255, "USD": 256, "EUR": 1}, "2.56", "USD"},
		{Revenue{"EUR": 255, "GBP": 255, "USD": 255}, "2.55", "GBP"},
		{Revenue{"USD": 255, "EUR": 255}, "2.55", "EUR"},
	} {
		if got := largest(tc.revenue); got.Amount != tc.main || got.Currency != tc.currency {
			t.Errorf("%v: got revenue %+v, want %s %s", tc.revenue, got, tc.main, tc.currency)
		}
	}
}

func TestTopReturnsTenByDefault(t *testing.T) {
	each(t, func(t *testing.T, s *Service, sales *fakeSales) {
		follow(t, s, sales, shop(sales, 20)...)
		a := serve(t, s)
		for path, want := range map[string]int{"/sales/top": 10, "/sales/top?limit=12": 12, "/sales/top?limit=500": len(sales.account().top)} {
			if got := resttest.Decode[api.TopList](t, a.Ask(http.MethodGet, path, "")); len(got.Items) != want {
				t.Errorf("GET %s: %d items, want %d", path, len(got.Items), want)
			}
		}
	})
}

func TestRefusedRequestsGetAProblemDocument(t *testing.T) {
	each(t, func(t *testing.T, s *Service, _ *fakeSales) {
		a := serve(t, s)
		for path, want := range map[string]resttest.Refusal{
			"/sales/daily?from=2010-12-02&to=2010-12-01": {Status: 422, Code: "days_reversed", Pointer: "#/query/from"},
			"/sales/daily?from=2010-02-30":               {Status: 422, Code: "day_invalid", Pointer: "#/query/from"},
			"/sales/daily?to=2010-13-01":                 {Status: 422, Code: "day_invalid", Pointer: "#/query/to"},
			"/sales/daily?to=yesterday":                  {Status: 422, Code: "request_invalid", Pointer: "#/query/to"},
			"/sales/daily?from=2010-12-01T00:00:00Z":     {Status: 422, Code: "request_invalid", Pointer: "#/query/from"},
			"/sales/top?limit=0":                         {Status: 422, Code: "request_invalid", Pointer: "#/query/limit"},
			"/sales/top?limit=501":                       {Status: 422, Code: "request_invalid", Pointer: "#/query/limit"},
			"/orders?limit=501":                          {Status: 422, Code: "request_invalid", Pointer: "#/query/limit"},
			"/orders?after=bm9uZQ":                       {Status: 400, Code: "cursor_invalid", Pointer: "#/query/after"},
			"/sales":                                     {Status: 404, Code: "path_unknown"},
		} {
			want.Check(t, path, a.Ask(http.MethodGet, path, ""))
		}
		resttest.Refusal{Status: 405, Code: "method_not_allowed"}.Check(t, "POST", a.Ask(http.MethodPost, "/sales/summary", ""))
	})
}

func TestPagesListEveryCopyOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Service, sales *fakeSales) {
		follow(t, s, sales, shop(sales, 5)...)
		got := ""
		for _, o := range resttest.Pages[api.Order](t, serve(t, s), "/orders?limit=2") {
			got += o.Id + " "
		}
		if got != "o0000 o0001 o0002 o0003 o0004 " {
			t.Errorf("got %q", got)
		}
	})
}
