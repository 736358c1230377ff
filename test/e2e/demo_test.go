package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	catalogclient "quadrille/services/catalog/client"
	"quadrille/test/harness"
)

// up --demo fills an empty shop and keeps it alive; killed and started again it goes
// on, and nothing doubles; stopped it stops, and all notes agree.
func TestDemo(t *testing.T) {
	m := newMachine(t)
	shop := m.Start(nil, "up", "--demo", "--demo-pace", "5ms")
	m.up()
	m.orders(10)
	shop.Kill()
	shop = m.Start(nil, "up", "--demo", "--demo-pace", "5ms")
	m.up()
	m.orders(10)
	if said := shop.Output.String(); !strings.Contains(said, "demonstration's assortment") {
		t.Errorf("it says\n%s", said)
	}
	m.stop(shop)
	m.Start(nil, "up")
	m.up()
	if report := m.audit(); report.Products != 40 || report.SKUs != 40 {
		t.Errorf("totals are %+v", report)
	}
	catalog, err := catalogclient.New(m.URL("catalog"), client(t))
	if err != nil {
		t.Fatal(err)
	}
	lantern, err := catalog.Product(t.Context(), "DEMO-101")
	if err != nil || lantern.Title != "Tarrow lantern" || lantern.Price.Amount != "38.50" {
		t.Errorf("the lantern is %+v, %v", lantern, err)
	}
	if out, err := m.Run("up", "--demo", "--demo-pace", "0s"); err == nil || !strings.Contains(out, "--demo-pace must be more than 0, not 0s") {
		t.Errorf("without a pause: %v, %s", err, out)
	}
}

// orders waits until so many more orders have been told of.
func (m *machine) orders(n int) {
	m.t.Helper()
	events := func() int { return m.get("sales", "/feed?limit=500").n }
	before := events()
	harness.Eventually(m.t, func(context.Context) error {
		if now := events(); now < before+n {
			return fmt.Errorf("sales told %d events, and %d before", now, before)
		}
		return nil
	})
}
