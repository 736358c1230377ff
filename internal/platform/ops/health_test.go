package ops_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"quadrille/internal/platform/ops"
)

// answering starts a server with the same response to every request, and returns its client.
func answering(t *testing.T, status int, contentType, body string) *ops.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return ops.New(server.URL, server.Client())
}

func TestReadyReportsReasons(t *testing.T) {
	for name, c := range map[string]struct {
		status            int
		contentType, body string
		want              string // in the error; empty for none
	}{
		"ready": {200, "application/json", `{"status":"ready","checks":[]}`, ""},
		"checks": {
			503, "application/json", `{"status":"not_ready","checks":[{"name":"database","ok":true},{"name":"log","ok":false,"detail":"refused"},{"name":"reader sales","ok":false,"detail":"waiting:\n\tno broker"}]}`,
			"log: refused; reader sales: waiting: no broker",
		},
		"with remedies": {
			503, "application/json", `{"checks":[{"name":"refused","ok":true,"state":"warning","detail":"1 event"},{"name":"relay","ok":false,"state":"failing","since":"2026-01-02T03:04:05Z","detail":"is stuck","remedy":"mend it"}]}`,
			"relay: is stuck (mend it)",
		},
		"a problem":    {503, "application/problem+json", `{"status":503,"code":"starting","detail":"sales is starting"}`, "sales is starting"},
		"another page": {502, "text/html", "<h1>Bad\nGateway</h1>", "answers 502 Bad Gateway"},
		"nothing":      {503, "application/json", "", "answers 503 Service Unavailable"},
		"every check passes, but 503": {
			503, "application/json", `{"checks":[{"name":"log","ok":true}]}`,
			"answers 503 Service Unavailable",
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := answering(t, c.status, c.contentType, c.body).Ready(t.Context())
			if (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestLiveIgnoresReadiness(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	c := ops.New(server.URL, server.Client())
	if err := c.Live(t.Context()); err != nil {
		t.Errorf("not alive: %v", err)
	}
	if err := c.Ready(t.Context()); err == nil {
		t.Error("Ready returns nil for a service that is not ready")
	}
}

func TestReadyEndsWithItsContext(t *testing.T) {
	held := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-held }))
	defer server.Close()
	defer close(held)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := ops.New(server.URL, server.Client()).Ready(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}
