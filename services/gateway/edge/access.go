package edge

import (
	"log/slog"
	"strings"

	"github.com/labstack/echo/v4"

	"quadrille/internal/rest"
)

// access is one line for each request: whose it was, and how much it was answered. That
// of a stream is written when it ends. Health is asked for all the time, and a page's
// files are told by the page.
func access() rest.AccessLog {
	return rest.AccessLog{
		Level: func(c echo.Context) slog.Level {
			switch path := c.Path(); {
			case path == "/healthz", path == "/readyz", path == "/*" && strings.HasPrefix(c.Request().URL.Path, "/ui/"):
				return slog.LevelDebug
			default:
				return slog.LevelInfo
			}
		},
		More: func(c echo.Context) []any {
			return []any{"bytes", c.Response().Size, "caller", callerOf(c).ID()}
		},
	}
}
