package edge

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// newLimited counts requests that were turned away for being too many, by policy:
// address or caller.
func newLimited() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "quadrille_rate_limited_total", Help: "Requests that were answered with 429, by what they were too many of.",
	}, []string{"policy"})
}

// measure has the gateway's own figures among its metrics; open is how many streams
// of events there are.
func measure(metrics prometheus.Registerer, open func() int, limited *prometheus.CounterVec) error {
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
	for _, policy := range []string{byAddress429, byCaller429} {
		limited.WithLabelValues(policy) // is there from the beginning, at 0
	}
	return nil
}
