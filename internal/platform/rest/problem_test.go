package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"quadrille/internal/platform/db"
	"quadrille/pkg/fault"
)

// The caller is asked to try again; the log has the cause.
func TestUnavailableDatabaseIsTransientFault(t *testing.T) {
	t.Parallel()
	away := fmt.Errorf("read key: %w: %w", db.ErrUnavailable, errors.New("connection refused"))
	for what, c := range map[string]struct {
		err   error
		code  string
		noted bool
	}{
		"away":                 {away, "database_away", true},
		"away, under its name": {errors.Join(fault.New(fault.Unavailable, "identity_away", "nobody can tell"), away), "identity_away", true},
		"too late":             {fmt.Errorf("%w: %w", db.ErrUnavailable, context.DeadlineExceeded), "timeout", true},
		"another's being away": {fault.New(fault.Unavailable, "service_away", "sales"), "service_away", false},
	} {
		var log strings.Builder
		e := NewBare(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo})), AccessLog{})
		e.GET("/", func(echo.Context) error { return c.err })
		answer := httptest.NewRecorder()
		e.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
		if answer.Code != http.StatusServiceUnavailable || answer.Header().Get("Retry-After") == "" || !strings.Contains(answer.Body.String(), `"code":"`+c.code+`"`) {
			t.Errorf("%s is answered with %d %v %s", what, answer.Code, answer.Header(), answer.Body)
		}
		if strings.Contains(answer.Body.String(), "refused") {
			t.Errorf("the response for %s exposes the cause: %s", what, answer.Body)
		}
		if said := log.String(); strings.Contains(said, "the database is unavailable") != c.noted || strings.Contains(said, "request failed") {
			t.Errorf("the log for %s is %q", what, said)
		}
	}
}
