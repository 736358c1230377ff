package ops

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"quadrille/internal/platform/ready"
	"quadrille/pkg/deadletter"
)

// collector collects the metrics of a service when /metrics is scraped, so that an
// unscraped service spends nothing on them.
type collector struct {
	server *Server
}

// Describe implements prometheus.Collector. It sends no descriptions: the labels depend
// on the readers and checks.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if own, err := c.server.outbox(ctx); err == nil {
		out <- gauge("quadrille_outbox_unsent", "Events that are committed and not yet confirmed by the log.", float64(own.Unsent), nil)
		out <- gauge("quadrille_outbox_refused", "Events that the log refuses and that wait for a person.", float64(own.Refused), nil)
	}
	if n, err := deadletter.Count(ctx, c.server.DB, deadletter.Filter{State: deadletter.Open}); err == nil {
		out <- gauge("quadrille_dead_letters", "Events that could not be handled and wait for a person.", float64(n), nil)
	}
	for _, r := range c.server.Ready.Known() {
		out <- gauge("quadrille_ready", "1 while the readiness check does not fail, 0 while it makes the service unready.", truth(r.OK), prometheus.Labels{"check": r.Name})
		out <- gauge("quadrille_ready_trouble", "1 while the readiness check is in trouble, whether or not it lasts.", truth(r.State != ready.OK), prometheus.Labels{"check": r.Name})
	}
	out <- gauge("quadrille_lease_held", "1 in the instance that reads, 0 in those that stand by.", truth(c.server.Leader()), nil)
	for _, s := range c.server.statuses(ctx) {
		of := prometheus.Labels{"stream": s.Stream}
		out <- gauge("quadrille_reader_position", "Offset of the event that the reader took last.", float64(offset(s.Position)), of)
		out <- gauge("quadrille_reader_lag", "Offsets between the reader's position and the stream's end.", float64(s.Lag), of)
		out <- gauge("quadrille_reader_failing", "1 while the reader waits because something fails.", truth(s.Err != ""), of)
		resyncs := prometheus.NewDesc("quadrille_reader_resyncs_total", "How often history was not the one the reader knew.", nil, of)
		out <- prometheus.MustNewConstMetric(resyncs, prometheus.CounterValue, float64(s.Resyncs))
	}
}

func gauge(name, help string, value float64, labels prometheus.Labels) prometheus.Metric {
	return prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, labels), prometheus.GaugeValue, value)
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
