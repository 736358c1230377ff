package rest

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

const tinySpec = `
openapi: 3.0.3
info: { title: Tiny, version: "1" }
paths:
  /things:
    post:
      operationId: createThing
      requestBody: { required: true, content: { application/json: { schema: { type: object } } } }
      responses: { "201": { description: Created. } }
`

// A body without Content-Length is refused while it is being read, and the sender still gets the
// response.
func TestEndlessBodyIsRefusedWithResponse(t *testing.T) {
	e, err := New(Config{
		Service: "tiny", Spec: []byte(tinySpec), Log: slog.New(slog.DiscardHandler),
		Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	e.POST("/things", func(c echo.Context) error { return c.NoContent(http.StatusCreated) })
	server := httptest.NewServer(e)
	defer server.Close()
	body := io.MultiReader(bytes.NewReader([]byte(`{"a":"`)), bytes.NewReader(bytes.Repeat([]byte("x"), 3<<20)), bytes.NewReader([]byte(`"}`)))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/things", io.NopCloser(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d, want 413", answer.StatusCode)
	}
}
