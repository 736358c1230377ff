package rest_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"quadrille/internal/platform/ops"
	"quadrille/internal/platform/rest"
)

const headSpec = `
openapi: 3.0.3
info: { title: Tiny, version: "1" }
paths:
  /things:
    get:
      operationId: listThings
      parameters: [ { name: limit, in: query, schema: { type: integer, maximum: 5 } } ]
      responses: { "200": { description: All. } }
`

// HEAD has the headers of GET without the body, and is validated and logged like any other
// request. The response to an unsupported method lists both in Allow.
func TestHeadEqualsGetWithoutBody(t *testing.T) {
	var log bytes.Buffer
	e, err := rest.New(rest.Config{
		Service: "tiny", Spec: []byte(headSpec), Common: ops.Spec, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	operations, err := ops.NewServer(ops.ServerConfig{Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	operations.Register(e)
	e.GET("/things", func(c echo.Context) error {
		c.Response().Header().Set("ETag", `"7"`)
		return c.String(http.StatusOK, "all things")
	})
	server := httptest.NewServer(rest.Heads(e))
	defer server.Close()
	ask := func(method, path string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer got.Body.Close()
		body, err := io.ReadAll(got.Body)
		if err != nil {
			t.Fatal(err)
		}
		return got, string(body)
	}
	for path, want := range map[string]int{"/things": 200, "/healthz": 200, "/openapi.yaml": 200, "/docs": 200, "/things?limit=9": 422, "/nothing": 404} {
		head, body := ask(http.MethodHead, path)
		get, _ := ask(http.MethodGet, path)
		if head.StatusCode != want || body != "" {
			t.Errorf("HEAD %s gives %d %q", path, head.StatusCode, body)
		}
		for _, name := range []string{"ETag", "Content-Type", "Content-Length"} {
			if path == "/things" && head.Header.Get(name) != get.Header.Get(name) {
				t.Errorf("%s of HEAD %s is %q, of GET %q", name, path, head.Header.Get(name), get.Header.Get(name))
			}
		}
	}
	if !strings.Contains(log.String(), "method=HEAD path=/things") {
		t.Errorf("the log has no HEAD request: %s", log.String())
	}
	for _, method := range []string{http.MethodDelete, http.MethodOptions} {
		got, _ := ask(method, "/things")
		allow := strings.Split(got.Header.Get("Allow"), ", ")
		slices.Sort(allow)
		if !slices.Equal(allow, []string{"GET", "HEAD", "OPTIONS"}) {
			t.Errorf("%s: Allow is %v", method, allow)
		}
	}
}
