// Package resttest asks a service's API as a caller would, without a network.
package resttest

import (
	"encoding/json"
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

// API is a service's API, behind everything that a request goes through.
type API struct {
	t testing.TB
	e *echo.Echo
}

// Serve makes the API of a service with its document and routes.
func Serve(t testing.TB, service string, spec []byte, routes func(*echo.Echo)) API {
	t.Helper()
	e, err := rest.New(rest.Config{
		Service: service, Spec: spec, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	routes(e)
	return API{t: t, e: e}
}

// Answer is a response.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Ask makes a request; a body is sent as JSON. header holds names and values in
// turn.
func (a API) Ask(method, path, body string, header ...string) Answer {
	a.t.Helper()
	r := httptest.NewRequestWithContext(a.t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	}
	for pair := range slices.Chunk(header, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	w := httptest.NewRecorder()
	a.e.ServeHTTP(w, r)
	return Answer{Status: w.Code, Header: w.Header(), Body: w.Body.String()}
}

// Decode reads an answer's body.
func Decode[T any](t testing.TB, a Answer) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.Body), &v); err != nil {
		t.Fatalf("%v in %d %s", err, a.Status, a.Body)
	}
	return v
}

// Refusal is the answer that a request is expected to be refused with.
type Refusal struct {
	Status  int
	Code    string
	Pointer string // part of the request that is named; any where empty
}

// Check reports whether the answer is the refusal, as a problem document.
func (r Refusal) Check(t testing.TB, name string, a Answer) {
	t.Helper()
	p := Decode[fault.Problem](t, a)
	pointed := r.Pointer == "" || slices.ContainsFunc(p.Errors, func(f fault.Field) bool { return f.Pointer == r.Pointer })
	if a.Status != r.Status || p.Code != r.Code || !pointed || a.Header.Get(echo.HeaderContentType) != fault.ProblemType {
		t.Errorf("%s: got %d %s, want %+v", name, a.Status, a.Body, r)
	}
}

// Pages follows a list from path to its end by the Link header, and returns its
// items.
func Pages[T any](t testing.TB, a API, path string) (items []T) {
	t.Helper()
	for path != "" {
		answer := a.Ask(http.MethodGet, path, "")
		if answer.Status != http.StatusOK {
			t.Fatalf("GET %s: %d %s", path, answer.Status, answer.Body)
		}
		page := Decode[struct {
			Items []T     `json:"items"`
			Next  *string `json:"next"`
		}](t, answer)
		items = append(items, page.Items...)
		link, _, more := strings.Cut(strings.TrimPrefix(answer.Header.Get("Link"), "<"), ">")
		if more != (page.Next != nil) {
			t.Fatalf("GET %s: Link is %q, next %v", path, link, page.Next)
		}
		path = link
	}
	return items
}
