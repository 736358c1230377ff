package rest

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
)

// AccessLog says what the log has of each request. There is never a query in it, nor a
// header: they hold secrets.
type AccessLog struct {
	Level func(echo.Context) slog.Level // of what went well; nil: debug
	More  func(echo.Context) []any      // beside what there is of every request; nil: nothing
}

func (a AccessLog) middleware(log *slog.Logger) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			start := time.Now()
			c.Response().Header().Set(echo.HeaderXRequestID, requestID(c))
			err := next(c)
			if err != nil {
				c.Error(err)
			}
			attrs := []any{
				"method", methodOf(c), "path", c.Path(), "status", c.Response().Status,
				"ms", time.Since(start).Milliseconds(), "request_id", requestID(c),
			}
			if a.More != nil {
				attrs = append(attrs, a.More(c)...)
			}
			log.Log(c.Request().Context(), a.level(c), "request", attrs...)
			return nil
		}
	}
}

func (a AccessLog) level(c echo.Context) slog.Level {
	switch {
	case c.Response().Status >= http.StatusInternalServerError:
		return slog.LevelError
	case a.Level != nil:
		return a.Level(c)
	default:
		return slog.LevelDebug
	}
}

// requestID returns the caller's X-Request-Id, or one made for the request.
func requestID(c echo.Context) string {
	id := short(c.Request().Header.Get(echo.HeaderXRequestID))
	if id == "" {
		id = uuid.NewString()
		c.Request().Header.Set(echo.HeaderXRequestID, id)
	}
	return id
}
