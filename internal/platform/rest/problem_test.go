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

// A database that is away is nobody's mistake: who asks is told to ask again, and the
// log why.
func TestADatabaseThatIsAway(t *testing.T) {
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
			t.Errorf("%s tells outside what is inside: %s", what, answer.Body)
		}
		if said := log.String(); strings.Contains(said, "the database is away") != c.noted || strings.Contains(said, "request failed") {
			t.Errorf("%s has the log say %q", what, said)
		}
	}
}
