package edge

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"quadrille/internal/platform/rest"
)

// newLimitedCounter counts requests refused with 429, by policy: address or caller.
func newLimitedCounter() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "quadrille_rate_limited_total", Help: "Requests refused with 429, by policy.",
	}, []string{"policy"})
}

// registerMetrics registers the metrics of the gateway. open returns the number of
// open streams.
func registerMetrics(metrics prometheus.Registerer, open func() int, limited *prometheus.CounterVec) error {
	if metrics == nil {
		return nil
	}
	streams := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "quadrille_streams_open", Help: "Open streams of events of this instance.",
	}, func() float64 { return float64(open()) })
	for _, c := range []prometheus.Collector{streams, limited} {
		if err := metrics.Register(c); err != nil {
			return fmt.Errorf("register metric: %w", err)
		}
	}
	for _, policy := range []string{policyAddress, policyCaller} {
		limited.WithLabelValues(policy) // exported from the start, at 0
	}
	return nil
}

// accessLog configures one log line per request, with caller and size. The line of a
// stream is written when it ends. Health checks and static files are logged at level
// debug.
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
