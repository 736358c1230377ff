package rest

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

const pathSpec = `
openapi: 3.0.3
info: { title: Paths, version: "1" }
paths:
  /people/{name}:
    get:
      operationId: getPerson
      parameters:
        - { name: name, in: path, required: true, schema: { type: string, pattern: "^[a-z@.]{1,8}$" } }
      responses: { "204": { description: There. } }
`

// Clients may encode any character in a path: encodeURIComponent writes @ as %40.
func TestPathParametersAreDecodedBeforeValidation(t *testing.T) {
	e, err := New(Config{
		Service: "paths", Spec: []byte(pathSpec), Log: slog.New(slog.DiscardHandler),
		Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	e.GET("/people/:name", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })
	for path, want := range map[string]int{
		"/people/a@b.c":               http.StatusNoContent,
		"/people/a%40b.c":             http.StatusNoContent,
		"/people/%61%40%62":           http.StatusNoContent,
		"/people/%61a%61a%61a%61a":    http.StatusNoContent, // 8 characters
		"/people/aaaaaaaaa":           http.StatusUnprocessableEntity,
		"/people/%61aaaa%40aaa":       http.StatusUnprocessableEntity, // 9
		"/people/a%2540b":             http.StatusUnprocessableEntity, // a%40b is decoded once
		"/people/a%2Fb":               http.StatusUnprocessableEntity,
		"/people/a%3Fb":               http.StatusUnprocessableEntity,
		"/people/%00":                 http.StatusBadRequest,
		"/people/a%40b.c?name=a%2540": http.StatusNoContent,
	} {
		answer := httptest.NewRecorder()
		e.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
		if answer.Code != want {
			t.Errorf("%s: got %d, want %d: %s", path, answer.Code, want, answer.Body)
		}
	}
}
