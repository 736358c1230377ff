package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"quadrille/test/harness"
)

// says runs healthy and checks its exit code and its one line.
func (m *machine) says(healthy bool, want string, args ...string) error {
	out, err := m.Run(append([]string{"healthy"}, args...)...)
	if (err == nil) != healthy || !strings.Contains(out, want) {
		return fmt.Errorf("healthy %v says %q, want %q; exit code 0: %t", args, out, want, err == nil)
	}
	if !healthy && strings.Count(out, "\n") != 1 {
		return fmt.Errorf("healthy %v says more than a line:\n%s", args, out)
	}
	return nil
}

// What a container's health check asks, of a shop that runs, and of one that does
// not run any more.
func TestHealthy(t *testing.T) {
	m := newMachine(t, "SALES_URL=http://127.0.0.1:1") // another instance's, which nobody asked for
	shop := m.Start(nil, "up")
	harness.Eventually(t, func(context.Context) error { return m.says(true, "sales is ready\n") })
	for _, args := range [][]string{{"sales"}, {"inventory", "sales", "--live"}, {"--url", m.URL("sales")}, {"--url", m.URL("sales") + "/"}} {
		if err := m.says(true, "", args...); err != nil {
			t.Error(err)
		}
	}
	shop.Kill()
	for want, args := range map[string][]string{
		"sales is not ready: no answer":                  {"sales"},
		"sales is not alive: no answer":                  {"catalog", "sales", "--live"},
		"127.0.0.1:1 is not ready: no answer":            {"--url", "http://127.0.0.1:1"},
		`there is no service "sale"`:                     {"sale"},
		"give names or --url, not both":                  {"sales", "--url", "http://127.0.0.1:1"},
		`--url "sales:8084" is not a base URL`:           {"--url", "sales:8084"},
		"http://ann:xxxxx@127.0.0.1:1 is not ready: no ": {"--url", "http://ann:s3cret@127.0.0.1:1"},
	} {
		if err := m.says(false, want, args...); err != nil {
			t.Error(err)
		}
	}
}

// A service that waits must not be restarted for it, and must get no traffic.
func TestHealthyFailsWhileAServiceWaits(t *testing.T) {
	t.Run("for its database", func(t *testing.T) {
		m := newMachine(t, "DATABASE_URL=postgres://shop@127.0.0.1:1/orders", "AMQP_URL=amqp://127.0.0.1:2/")
		m.Start(nil, "serve", "sales")
		harness.Eventually(t, func(context.Context) error { return m.says(true, "sales is alive\n", "sales", "--live") })
		if err := m.says(false, "sales is not ready: sales is starting", "sales"); err != nil {
			t.Error(err)
		}
	})
	t.Run("for its broker", func(t *testing.T) {
		m := newMachine(t, "AMQP_URL=amqp://127.0.0.1:2/")
		m.Start(nil, "serve", "sales")
		harness.Eventually(t, func(context.Context) error { return m.says(false, "log: ", "sales") })
		if err := m.says(true, "sales is alive\n", "sales", "--live"); err != nil {
			t.Error(err)
		}
	})
}
