package edge

import (
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"quadrille/services/gateway/ratelimit"
)

// figures returns the metrics by name and value of the label.
func figures(t *testing.T, from prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			for _, label := range m.GetLabel() {
				name += " " + label.GetValue()
			}
			all[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return all
}

func TestWhatTheGatewayMeasures(t *testing.T) {
	metrics := prometheus.NewRegistry()
	seen := &notes{}
	d := opened(t, overHTTP, Config{Caller: ratelimit.Rate{PerSecond: 1, Burst: 2}, Address: ratelimit.Rate{PerSecond: 1, Burst: 9}}, seen.playAll(), func(c *Config) { c.Metrics = metrics })
	if got := figures(t, metrics); len(got) != 3 || got["quadrille_streams_open"] != 0 || got["quadrille_rate_limited_total caller"] != 0 {
		t.Errorf("at the beginning it is %v", got)
	}
	for range 5 {
		d.ask("GET", prefix+"/orders", "", as("staff")...)
	}
	for range 6 {
		d.ask("GET", prefix+"/products", "", "Authorization", "")
	}
	if got := figures(t, metrics); got["quadrille_rate_limited_total caller"] != 3 || got["quadrille_rate_limited_total address"] != 2 {
		t.Errorf("it is %v", got)
	}
}

func TestOpenStreamsAreMeasured(t *testing.T) {
	metrics := prometheus.NewRegistry()
	d := opened(t, overHTTP, Config{}, nil, func(c *Config) { c.Metrics = metrics })
	got, err := d.http.Do(d.request("GET", prefix+"/events", ""))
	if err != nil || got.StatusCode != http.StatusOK {
		t.Fatal(got, err)
	}
	measured := func(want float64) {
		t.Helper()
		for began := time.Now(); figures(t, metrics)["quadrille_streams_open"] != want; time.Sleep(time.Millisecond) {
			if time.Since(began) > 10*time.Second {
				t.Fatalf("it is %v, want %v", figures(t, metrics), want)
			}
		}
	}
	measured(1)
	_ = got.Body.Close()
	measured(0)
}
