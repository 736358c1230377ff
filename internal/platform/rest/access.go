package rest

import (
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

// AccessLog configures the log message of each request. The message never has the query or
// headers, which may contain secrets.
type AccessLog struct {
	Level func(echo.Context) slog.Level // for responses below 500; nil means debug
	More  func(echo.Context) []any      // further keys and values; may be nil
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

// requestID returns the caller's X-Request-Id, or a new one if there is none.
func requestID(c echo.Context) string {
	id := short(c.Request().Header.Get(echo.HeaderXRequestID))
	if id == "" {
		id = uuid.NewString()
		c.Request().Header.Set(echo.HeaderXRequestID, id)
	}
	return id
}

// measure records the number and duration of requests by method, path template and status.
func measure(registry prometheus.Registerer) (echo.MiddlewareFunc, error) {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "quadrille_http_request_seconds", Help: "Time to answer a request.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
	}, []string{"method", "path", "status"})
	if err := registry.Register(seconds); err != nil {
		return nil, fmt.Errorf("register request metrics: %w", err)
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			start := time.Now()
			err := next(c)
			seconds.WithLabelValues(methodOf(c), c.Path(), strconv.Itoa(c.Response().Status)).Observe(time.Since(start).Seconds())
			return err
		}
	}, nil
}
