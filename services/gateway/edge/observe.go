package edge

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"quadrille/internal/rest"
)

// newLimitedCounter counts requests that were turned away for being too many, by policy:
// address or caller.
func newLimitedCounter() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "quadrille_rate_limited_total", Help: "Requests that were answered with 429, by what they were too many of.",
	}, []string{"policy"})
}

// registerMetrics has the gateway's own figures among its metrics; open is how many streams
// of events there are.
func registerMetrics(metrics prometheus.Registerer, open func() int, limited *prometheus.CounterVec) error {
	if metrics == nil {
		return nil
	}
	streams := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "quadrille_streams_open", Help: "Streams of events that this instance has open.",
	}, func() float64 { return float64(open()) })
	for _, c := range []prometheus.Collector{streams, limited} {
		if err := metrics.Register(c); err != nil {
			return fmt.Errorf("register metric: %w", err)
		}
	}
	for _, policy := range []string{policyAddress, policyCaller} {
		limited.WithLabelValues(policy) // is there from the beginning, at 0
	}
	return nil
}

// accessLog is one line for each request: whose it was, and how much it was answered. That
// of a stream is written when it ends. Health is asked for all the time, and a page's
// files are told by the page.
func accessLog() rest.AccessLog {
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
