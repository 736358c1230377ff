package rest

import (
	"fmt"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

// measure counts requests and their time, by method, path template and status.
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
