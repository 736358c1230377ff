package ops

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"quadrille/internal/platform/ready"
	"quadrille/pkg/deadletter"
	"quadrille/pkg/timer"
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
		out <- gauge("quadrille_outbox_unsent", "Committed events that the log has not confirmed yet.", float64(own.Unsent), nil)
		out <- gauge("quadrille_outbox_refused", "Parked events that the log refuses, until somebody retries or discards them.", float64(own.Refused), nil)
	}
	if n, err := deadletter.CountUnclosed(ctx, c.server.DB); err == nil {
		out <- gauge("quadrille_dead_letters", "Open dead letters, until somebody retries or discards them.", float64(n[deadletter.Open]), nil)
		out <- gauge("quadrille_dead_letters_parked", "Events that failed and that the service retries by itself.", float64(n[deadletter.Parked]+n[deadletter.Acting]), nil)
		out <- gauge("quadrille_dead_letters_behind", "Events that wait for an earlier one of their subject.", float64(n[deadletter.Behind]), nil)
	}
	c.collectTimers(ctx, out)
	c.collectTasks(out)
	for _, r := range c.server.Ready.Known() {
		out <- gauge("quadrille_ready", "1 if the readiness check passes, 0 if it makes the service unready.", truth(r.OK), prometheus.Labels{"check": r.Name})
		out <- gauge("quadrille_ready_trouble", "1 if the readiness check found trouble, even if the trouble is too short to fail the check.", truth(r.State != ready.OK), prometheus.Labels{"check": r.Name})
	}
	out <- gauge("quadrille_lease_held", "1 in the instance that holds the lease and reads, 0 in standby instances.", truth(c.server.Leader()), nil)
	for _, s := range c.server.statuses(ctx) {
		of := prometheus.Labels{"stream": s.Stream}
		out <- gauge("quadrille_reader_position", "Offset of the last event that the reader handled.", float64(offset(s.Position)), of)
		out <- gauge("quadrille_reader_lag", "Offsets between the reader's position and the stream's end.", float64(s.Lag), of)
		out <- gauge("quadrille_reader_failing", "1 if the reader is waiting because of an error.", truth(s.Err != ""), of)
		resyncs := prometheus.NewDesc("quadrille_reader_resyncs_total", "Resynchronisations because the history was cut or replaced.", nil, of)
		out <- prometheus.MustNewConstMetric(resyncs, prometheus.CounterValue, float64(s.Resyncs))
	}
}

// collectTimers sends the number of timers by kind, and of those whose handler failed.
func (c *collector) collectTimers(ctx context.Context, out chan<- prometheus.Metric) {
	counts, err := timer.Waiting(ctx, c.server.DB)
	if err != nil {
		return
	}
	for kind, n := range counts {
		of := prometheus.Labels{"kind": kind}
		out <- gauge("quadrille_timers", "Timers that are set: they fire when they are due, unless they are cancelled.", float64(n.Waiting), of)
		out <- gauge("quadrille_timers_failing", "Timers that are due and whose handler fails.", float64(n.Failing), of)
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
