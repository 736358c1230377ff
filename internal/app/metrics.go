package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"quadrille/pkg/bus"
	"quadrille/pkg/outbox"
)

// collector measures a unit when it is asked to, so that nothing is counted
// that nobody reads.
type collector struct {
	unit *unit
}

// Describe is prometheus.Collector's: the metrics are described as they come.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect is prometheus.Collector's.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if unsent, _, err := outbox.Depth(ctx, c.unit.db); err == nil {
		out <- gauge("quadrille_outbox_unsent", "Events that are committed and not yet confirmed by the log.", float64(unsent), nil)
	}
	for _, r := range c.unit.readers {
		s := r.Status(ctx)
		of := prometheus.Labels{"stream": s.Stream}
		out <- gauge("quadrille_reader_position", "Offset of the event that the reader took last.", float64(offset(s.Position)), of)
		out <- gauge("quadrille_reader_lag", "Offsets between the reader's position and the stream's end.", float64(s.Lag), of)
		out <- gauge("quadrille_reader_failing", "1 while the reader waits because something fails.", failing(s), of)
	}
}

func gauge(name, help string, value float64, labels prometheus.Labels) prometheus.Metric {
	return prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, labels), prometheus.GaugeValue, value)
}

func failing(s bus.Status) float64 {
	if s.Err != "" {
		return 1
	}
	return 0
}

func offset(p bus.Position) int64 {
	if p.IsStart() {
		return -1
	}
	return p.Offset
}
