package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"quadrille/pkg/fault"
)

// ordering returns a server with the document of sales, whose operations place and list orders.
func ordering(t testing.TB) http.Handler {
	t.Helper()
	spec, err := os.ReadFile("../../../services/sales/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(Config{
		Service: "sales", Spec: spec, Log: slog.New(slog.DiscardHandler),
		Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	e.POST("/orders", func(c echo.Context) error { return c.NoContent(http.StatusCreated) })
	e.GET("/orders", func(c echo.Context) error { return c.NoContent(http.StatusOK) })
	return e
}

func send(t testing.TB, h http.Handler, method, target, body string) (int, fault.Problem) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var p fault.Problem
	if w.Code >= http.StatusBadRequest {
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Errorf("the response is not a problem document: %.200s", w.Body)
		}
	}
	return w.Code, p
}

// unknownKeys returns an order with n unknown members.
func unknownKeys(n int) string {
	var b strings.Builder
	b.WriteString(`{"customer":"ann"`)
	for i := range n {
		fmt.Fprintf(&b, `,"k%d":0`, i)
	}
	return b.String() + "}"
}

func list(element string, n int) string {
	return `{"customer":"ann","lines":[` + strings.TrimSuffix(strings.Repeat(element+",", n), ",") + `]}`
}

// hostileBodies returns bodies that are expensive to validate, with the code of the response and
// the total number of findings, 0 for few.
func hostileBodies() map[string]struct {
	body, code string
	findings   int
} {
	return map[string]struct {
		body, code string
		findings   int
	}{
		"unknown keys":            {unknownKeys(20_000), "request_malformed", 20_001},
		"unknown keys in lines":   {list(`{"x":1,"y":2}`, 4_000), "request_malformed", 16_001},
		"lines that lack all":     {list(`{}`, 5_000), "request_invalid", 10_001},
		"lines that are none":     {list(`1`, 5_000), "request_malformed", 5_001},
		"lines that break rules":  {list(`{"sku":"","quantity":0}`, 4_000), "request_invalid", 8_001},
		"a few":                   {unknownKeys(98), "request_malformed", 0},
		"far too many keys":       {unknownKeys(90_000), "json_too_complex", 0},
		"one key, often":          {`{"customer":"ann","lines":[{"sku":"A"` + strings.Repeat(`,"quantity":1`, 70_000) + `}]}`, "json_too_complex", 0},
		"far too many lines":      {list(`{}`, 300_000), "json_too_complex", 0},
		"numbers":                 {list(`1`, 400_000), "json_too_complex", 0},
		"strings":                 {list(`""`, 300_000), "json_too_complex", 0},
		"arrays in an array":      {list(`[]`, 300_000), "json_too_complex", 0},
		"many arrays":             {list("["+strings.TrimSuffix(strings.Repeat("1,", 4_000), ",")+"]", 50), "json_too_complex", 0},
		"deep arrays":             {`{"customer":` + strings.Repeat(`[`, 5_000) + strings.Repeat(`]`, 5_000) + `}`, "json_too_complex", 0},
		"deep objects":            {strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat(`}`, 100_000), "json_too_complex", 0},
		"deep, and no end":        {strings.Repeat(`[`, 1_000_000), "json_too_complex", 0},
		"a long number":           {list(`{"sku":"A","quantity":`+strings.Repeat("9", 900_000)+`}`, 1), "json_too_complex", 0},
		"a long fraction":         {list(`{"sku":"A","quantity":1.`+strings.Repeat("0", 900_000)+`}`, 1), "json_too_complex", 0},
		"a large exponent":        {list(`{"sku":"A","quantity":1e999999}`, 1), "request_malformed", 0},
		"a huge exponent":         {list(`{"sku":"A","quantity":1e999999999999}`, 1), "request_malformed", 0},
		"a small exponent":        {list(`{"sku":"A","quantity":1e-999999}`, 1), "request_invalid", 0},
		"a long string":           {`{"customer":"` + strings.Repeat("a", 1_000_000) + `","lines":[]}`, "request_invalid", 0},
		"a long key":              {`{"customer":"ann","` + strings.Repeat("a", 1_000_000) + `":1}`, "request_malformed", 0},
		"escapes":                 {`{"customer":"` + strings.Repeat(`\"`, 500_000) + `","lines":[]}`, "request_invalid", 0},
		"a string without an end": {`{"customer":"` + strings.Repeat(`\\`, 500_000), "json_malformed", 0},
		"commas":                  {strings.Repeat(",", 1_000_000), "json_too_complex", 0},
	}
}

// The response also has the total number of findings.
func TestHostileBodiesGetAtMost100Findings(t *testing.T) {
	t.Parallel()
	h := ordering(t)
	for what, c := range hostileBodies() {
		status, p := send(t, h, http.MethodPost, "/orders", c.body)
		if status < 400 || status >= 500 || p.Code != c.code || len(p.Errors) > fault.MaxFields {
			t.Errorf("%s: %d %s with %d findings, want %s", what, status, p.Code, len(p.Errors), c.code)
		}
		counted := fmt.Sprintf("(100 of %d are listed)", c.findings)
		if c.findings > 0 && (len(p.Errors) != fault.MaxFields || !strings.Contains(p.Detail, counted)) || c.findings == 0 && strings.Contains(p.Detail, "are listed") {
			t.Errorf("%s: %d findings, %q, want %d", what, len(p.Errors), p.Detail, c.findings)
		}
	}
}

func TestHostileQueriesAreRefused(t *testing.T) {
	t.Parallel()
	h := ordering(t)
	for what, c := range map[string]struct{ query, code string }{
		"many ids":      {"id=a" + strings.Repeat("&id=a", 200_000), "query_too_long"},
		"unknown ones":  {strings.Repeat("q=1&", 250_000), "query_too_long"},
		"separators":    {strings.Repeat("&", 900_000), "query_too_long"},
		"a long value":  {"limit=" + strings.Repeat("9", 500_000), "request_malformed"},
		"a long list":   {"status=" + strings.Repeat("a,", 400_000), "request_invalid"},
		"too many, few": {"id=a" + strings.Repeat("&id=a", 600), "request_invalid"},
	} {
		status, p := send(t, h, http.MethodGet, "/orders?"+c.query, "")
		if status < 400 || status >= 500 || p.Code != c.code || len(p.Errors) > fault.MaxFields {
			t.Errorf("%s: %d %s %s", what, status, p.Code, p.Detail)
		}
	}
	if status, p := send(t, h, http.MethodGet, "/orders?id=a"+strings.Repeat("&id=a", 499), ""); status != http.StatusOK {
		t.Errorf("500 ids: %d %+v", status, p)
	}
}

// The largest order that the document allows is far from every limit.
func TestLargestOrderPasses(t *testing.T) {
	t.Parallel()
	if status, p := send(t, ordering(t), http.MethodPost, "/orders", list(`{"sku":"A","quantity":1}`, 1_000)); status != http.StatusCreated {
		t.Errorf("a thousand lines: %d %+v", status, p)
	}
	for _, good := range []string{
		strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth), "[" + strings.TrimSuffix(strings.Repeat("1,", maxElements), ",") + "]",
		strings.Repeat("9", maxNumber), `["` + strings.Repeat("[,{", 100_000) + `"]`, `["\"` + strings.Repeat("[", 100) + `"]`,
	} {
		if err := checkComplexity([]byte(good)); err != nil {
			t.Errorf("%.60s: %v", good, err)
		}
	}
	for _, bad := range []string{
		strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1), "[" + strings.TrimSuffix(strings.Repeat("1,", maxElements+2), ",") + "]", strings.Repeat("9", maxNumber+1),
	} {
		var f *fault.Fault
		if err := checkComplexity([]byte(bad)); !errors.As(err, &f) || f.Code != "json_too_complex" {
			t.Errorf("%.60s: %v", bad, err)
		}
	}
}

// Four times as many findings must cost four times as much memory, not sixteen times. Memory is
// measured because it does not depend on the load of the machine.
func TestCostOfFindingsIsLinear(t *testing.T) {
	h := ordering(t)
	cost := func(n int) uint64 {
		body := unknownKeys(n)
		send(t, h, http.MethodPost, "/orders", body)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		send(t, h, http.MethodPost, "/orders", body)
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	few, many := cost(5_000), cost(20_000)
	if many > 6*few {
		t.Errorf("5,000 findings take %d bytes, and 20,000 take %d", few, many)
	}
}

func BenchmarkHostileBodies(b *testing.B) {
	h := ordering(b)
	for what, c := range hostileBodies() {
		b.Run(what, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				send(b, h, http.MethodPost, "/orders", c.body)
			}
		})
	}
}

// measured returns the measures of a JSON document as decoded by encoding/json.
func measured(body []byte) (depth, elements, number int, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var open []int // elements of each open array; -1: an object
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return depth, elements, number, nil
		}
		if err != nil {
			return 0, 0, 0, err
		}
		closing := token == json.Delim(']') || token == json.Delim('}')
		if n := len(open); !closing && n > 0 && open[n-1] >= 0 {
			open[n-1]++
			elements = max(elements, open[n-1])
		}
		switch v := token.(type) {
		case json.Number:
			number = max(number, len(v))
		case json.Delim:
			switch {
			case closing:
				open = open[:len(open)-1]
			case v == '[':
				open = append(open, 0)
			default:
				open = append(open, -1)
			}
			depth = max(depth, len(open))
		}
	}
}

// FuzzComplexity compares the limits with what encoding/json finds, and checks that every body
// gets a response.
func FuzzComplexity(f *testing.F) {
	for _, c := range hostileBodies() {
		if len(c.body) < 100_000 {
			f.Add([]byte(c.body))
		}
	}
	for _, text := range []string{
		`{"customer":"ann","lines":[{"sku":"A","quantity":1}]}`, `"\\\"[["`, `[1,[2,{"a":[-1e5,"]"]}]]`, `{"a":"\u005b[[["}`, strings.Repeat("[", 32) + strings.Repeat("]", 32), strings.Repeat(`{"a":`, 33), "]]]]", `"`, "\x00", "",
	} {
		f.Add([]byte(text))
	}
	h := ordering(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		refused := checkComplexity(body) != nil
		if json.Valid(body) {
			depth, elements, number, err := measured(body)
			if err != nil {
				t.Fatal(err)
			}
			if over := depth > maxDepth || elements > maxElements || number > maxNumber; over != refused && len(body) < maxValues {
				t.Errorf("depth %d, elements %d, number %d: refused %t", depth, elements, number, refused)
			}
		}
		if len(body) == 0 {
			return
		}
		status, p := send(t, h, http.MethodPost, "/orders", string(body))
		if status >= http.StatusInternalServerError || len(p.Errors) > fault.MaxFields {
			t.Errorf("got status %d with %d findings", status, len(p.Errors))
		}
	})
}
