package edge

import (
	"net/http"
	"strings"
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

func TestExportsMetrics(t *testing.T) {
	metrics := prometheus.NewRegistry()
	seen := &requestLog{}
	d := opened(t, overHTTP, Config{Caller: ratelimit.Rate{PerSecond: 1, Burst: 2}, Address: ratelimit.Rate{PerSecond: 1, Burst: 9}}, seen.serveAll(), func(c *Config) { c.Metrics = metrics })
	if got := figures(t, metrics); len(got) != 3 || got["quadrille_streams_open"] != 0 || got["quadrille_rate_limited_total caller"] != 0 {
		t.Errorf("initial metrics: %v", got)
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

func TestCountsOpenStreams(t *testing.T) {
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

func TestLogsOneLinePerRequestWithoutSecrets(t *testing.T) {
	d := opened(t, overHTTP, Config{}, (&requestLog{}).serveAll())
	d.ask("GET", prefix+"/orders/o-1?customer=s3cret", "", append(as("staff"), "X-Request-Id", "r-1")...)
	d.ask("GET", prefix+"/nothing", "", "Authorization", "", "X-Request-Id", "r-2")
	d.ask("GET", "/healthz", "", "X-Request-Id", "r-3")
	d.ask("GET", "/ui/x.js", "", "X-Request-Id", "r-4")
	lines := strings.Split(strings.TrimSpace(d.log.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("the log is\n%s", d.log)
	}
	for i, want := range [][]string{
		{"level=INFO", "method=GET", "path=/api/v1/orders/*", "status=200", "ms=", "bytes=0", "caller=key:key-2", "request_id=r-1"},
		{"level=INFO", "path=/api/v1/*", "status=404", `caller=""`, "request_id=r-2"},
	} {
		for _, part := range want {
			if !strings.Contains(lines[i], part) {
				t.Errorf("%s is missing in %s", part, lines[i])
			}
		}
	}
	if said := d.log.String(); strings.Contains(said, "s3cret") || strings.Contains(said, "Bearer") {
		t.Errorf("a secret is logged: %s", said)
	}
}
