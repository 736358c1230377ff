package e2e_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"quadrille/internal/platform/app"
	"quadrille/pkg/bus"
	"quadrille/services"
	inventoryclient "quadrille/services/inventory/client"
	salesclient "quadrille/services/sales/client"
	statsclient "quadrille/services/stats/client"
	"quadrille/test/harness"
	"quadrille/test/harness/binary"
)

// onBoth runs test with a machine on each set of parts.
func onBoth(t *testing.T, test func(t *testing.T, m *machine, cfg app.Config)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t)
		test(t, m, app.Config{Services: services.Names(), Data: m.Data})
	})
	t.Run("real", func(t *testing.T) {
		t.Parallel()
		cfg := harness.Real(t)
		test(t, newMachine(t, settings(cfg)...), cfg)
	})
}

// log opens the event log that the machine's services use.
func openLog(t *testing.T, cfg app.Config) bus.Bus {
	t.Helper()
	connections := app.NewConnections(cfg, slog.New(slog.DiscardHandler))
	b, err := connections.OpenBus()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = b.Close(), connections.Close() })
	return b
}

func (m *machine) must(args ...string) string {
	m.t.Helper()
	out, err := m.Run(args...)
	if err != nil {
		m.t.Fatalf("quadrille %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// stop ends a process as Ctrl-C does.
func (m *machine) stop(p *binary.Process) {
	m.t.Helper()
	if err := p.Process.Signal(interrupt); err != nil {
		m.t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		m.t.Fatalf("stopped with %v: %s", err, p.Output)
	}
}

// A service that is started for the first time when all is over has the figures
// that the input has.
func TestLateServiceReadsThePast(t *testing.T) {
	const orders, shipped, cancelled = 300, 20, 10
	onBoth(t, func(t *testing.T, m *machine, _ app.Config) {
		four := m.Start(nil, append([]string{"serve"}, publishers()...)...)
		m.readyAre(publishers()...)
		m.must("traffic", invoices(t, orders), "--stock", "1000")
		m.must("audit", "--wait", "60s")
		sales, err := salesclient.New(m.URL("sales"), client(t))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for o, err := range sales.AllOrders(t.Context()) {
			if err == nil && n < shipped {
				_, err = sales.Ship(t.Context(), o.Id)
			} else if err == nil && n < shipped+cancelled {
				_, err = sales.Cancel(t.Context(), o.Id)
			}
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		m.Start(nil, append([]string{"serve"}, services.ConsumersOnly()...)...)
		m.readyAre(services.ConsumersOnly()...)
		if report := m.audit(); len(report.Absent) > 0 {
			t.Errorf("the audit left out %v", report.Absent)
		}
		stats, err := statsclient.New(m.URL("stats"), client(t))
		if err != nil {
			t.Fatal(err)
		}
		got, err := stats.Summary(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// An order is of two cups at 1.25 and a bowl at 2.55.
		sold := orders - cancelled
		if got.Orders != orders || got.Confirmed != int64(sold-shipped) || got.Shipped != shipped || got.Cancelled != cancelled || got.Rejected != 0 ||
			got.Units != int64(3*sold) || got.Revenue.Amount != fmt.Sprintf("%d.%02d", sold*505/100, sold*505%100) || got.Revenue.Currency != "GBP" {
			t.Errorf("figures are %+v", got)
		}
		daily, err := stats.Daily(t.Context(), "", "")
		if err != nil || len(daily) == 0 {
			t.Fatalf("days are %v, %v", daily, err)
		}
		var units int64
		for _, d := range daily {
			units += d.Units
		}
		if units != got.Units {
			t.Errorf("the days have %d units, all have %d", units, got.Units)
		}
		m.stop(four)
	})
}

// Reading again changes nothing, and says nothing.
func TestReplayRepeatsNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machine, _ app.Config) {
		up := m.Start(nil, "up")
		m.ready()
		m.must("traffic", invoices(t, 100), "--stock", "1000")
		before := m.audit()
		events := m.feeds()
		for _, service := range services.Names() {
			if service == "inventory" {
				continue
			}
			if out := m.must("replay", service); !strings.Contains(out, "has read") {
				t.Errorf("replay %s says %q", service, out)
			}
		}
		if out := m.must("replay", "inventory", "--from", "sales", "--since", time.Now().Add(-time.Hour).Format(time.RFC3339)); !strings.Contains(out, "inventory has read sales again") {
			t.Errorf("replay since a time says %q", out)
		}
		if out := m.must("replay", "stats", "--dry-run"); !strings.Contains(out, "stats would read 200 events of sales") {
			t.Errorf("a dry run says %q, want the 100 orders that were placed and confirmed", out)
		}
		for _, refused := range [][]string{
			{"replay", "stats", "--since", "yesterday"},
			{"replay", "stats", "--since", "5"},
			{"replay", "stats", "--from", "sales", "--since", "-5"},
			{"replay", "stats", "--from", "sales", "--since", "100000000"},
			{"replay", "stats", "--from", "catalog"},
			{"replay", "nobody"},
		} {
			if out, err := m.Run(refused...); err == nil || strings.Contains(out, "panic") {
				t.Errorf("%v: %s", refused, out)
			}
		}
		if after := m.audit(); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("before: %+v\nafter: %+v", before, after)
		}
		if after := m.feeds(); after != events {
			t.Errorf("%d events were told before, %d after", events, after)
		}
		m.stop(up)
		if out := m.must("replay", "stats"); !strings.Contains(out, "stats is not running") {
			t.Errorf("replay of a stopped service says %q", out)
		}
		m.Start(nil, "up")
		m.ready()
		if after := m.audit(); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("before: %+v\nafter: %+v", before, after)
		}
	})
}

// publishers returns the services that publish events.
func publishers() (names []string) {
	for _, s := range services.All() {
		if !s.ConsumerOnly {
			names = append(names, s.Name)
		}
	}
	return names
}

// feeds returns the number of events in all feeds.
func (m *machine) feeds() (n int) {
	m.t.Helper()
	for _, service := range publishers() {
		path := "/feed?limit=500"
		for {
			answer := m.get(service, path)
			if answer.n == 0 {
				break
			}
			n, path = n+answer.n, answer.next
		}
	}
	return n
}

// The broker has lost a service's history: readers notice, also when the new one
// has grown past their positions; rebuild brings the past back for whoever comes
// later; nothing doubles.
func TestLostHistory(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machine, cfg app.Config) {
		up := m.Start(nil, append([]string{"serve"}, publishers()...)...)
		m.readyAre(publishers()...)
		m.must("traffic", invoices(t, 60), "--stock", "1000")
		before := m.audit()
		events := m.feeds()
		m.stop(up)
		b := openLog(t, cfg)
		for _, service := range []string{"inventory", "catalog", "sales"} {
			harness.Eventually(t, func(ctx context.Context) error { return b.Drop(ctx, service) })
		}
		up = m.Start(nil, append([]string{"serve"}, publishers()...)...)
		m.readyAre(publishers()...)
		inventory, err := inventoryclient.New(m.URL("inventory"), client(t))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 30 { // the new history grows
			if _, _, err := inventory.Receive(t.Context(), inventoryclient.NewReceipt{ExternalId: fmt.Sprint("more", i), Sku: fmt.Sprint("NEW", i), Quantity: 1}); err != nil {
				t.Fatal(err)
			}
		}
		m.must("audit", "--wait", "60s")
		for _, service := range []string{"inventory", "catalog", "sales"} {
			if out := m.must("rebuild", service); !strings.Contains(out, "events again") {
				t.Errorf("rebuild says %q", out)
			}
		}
		m.Start(nil, append([]string{"serve"}, services.ConsumersOnly()...)...) // have never read: they get the past from the new history
		m.readyAre(services.ConsumersOnly()...)
		after := m.audit()
		if after.SKUs != before.SKUs+30 || after.OnHand != before.OnHand+30 || fmt.Sprint(after.Orders) != fmt.Sprint(before.Orders) || len(after.Absent) > 0 {
			t.Errorf("before: %+v\nafter: %+v", before, after)
		}
		if told := m.feeds(); told < events+30 || told > events+60+30 {
			// Each of the new SKUs, and nothing else but what follows from them.
			t.Errorf("%d events were told before, %d after", events, told)
		}
		m.stop(up)
		if out := m.must("rebuild", "sales"); !strings.Contains(out, "Published the outbox of sales again") {
			t.Errorf("rebuild of a stopped service says %q", out)
		}
		m.Start(nil, append([]string{"serve"}, publishers()...)...)
		m.readyAre(publishers()...)
		if again := m.audit(); fmt.Sprint(again) != fmt.Sprint(after) {
			t.Errorf("before: %+v\nafter: %+v", after, again)
		}
		if out, err := m.Run("rebuild", "stats"); err == nil || !strings.Contains(out, "publishes no events") {
			t.Errorf("rebuild stats: %v, %s", err, out)
		}
	})
}

// What cannot be handled is seen, retried and discarded from the command line, and
// holds nothing up.
func TestDeadLetters(t *testing.T) {
	onBoth(t, func(t *testing.T, m *machine, cfg app.Config) {
		m.Start(nil, "up")
		m.ready()
		m.must("traffic", invoices(t, 20), "--stock", "1000")
		m.audit()
		publishOddities(t, openLog(t, cfg))
		m.must("traffic", invoices(t, 40), "--stock", "1000") // goes on behind them
		out, err := m.Run("audit", "--wait", "20s")
		if err == nil || !strings.Contains(out, "dead letters of catalog: 2") {
			t.Errorf("audit: %v\n%s", err, out)
		}
		list := m.must("dead", "list", "inventory")
		for _, want := range []string{"(no event)", "sales.order_placed", "not a CloudEvent", "request_invalid", "COUNT"} {
			if !strings.Contains(list, want) {
				t.Errorf("%q is missing in\n%s", want, list)
			}
		}
		if show := m.must("dead", "show", "inventory", "1"); !strings.Contains(show, "open") || !strings.Contains(show, "attempts     1") {
			t.Errorf("show says\n%s", show)
		}
		if out, err := m.Run("dead", "retry", "inventory", "--all"); err == nil || !strings.Contains(out, "0 handled, 2 failed") {
			t.Errorf("retry: %v, %s", err, out)
		}
		odd := map[string]int{"inventory": 2, "catalog": 2, "wishlist": 2, "sales": 2, "stats": 2}
		for _, service := range services.Names() {
			out := m.must("dead", "discard", service, "--all", "--reason", "planted by a test")
			if n, known := odd[service]; known && !strings.Contains(out, fmt.Sprintf("%d discarded, 0 failed", n)) {
				t.Errorf("discard from %s: %s\n%s", service, out, m.must("dead", "list", service, "--state", "all"))
			}
		}
		if show := m.must("dead", "show", "inventory", "1"); !strings.Contains(show, "planted by a test") || !strings.Contains(show, "attempts     2") {
			t.Errorf("show says\n%s", show)
		}
		for _, refused := range [][]string{
			{"dead", "retry", "inventory", "1"}, {"dead", "show", "inventory", "99"}, {"dead", "show", "inventory", "x"},
			{"dead", "discard", "inventory", "1"}, {"dead", "retry", "inventory"}, {"dead", "list", "nobody"}, {"dead", "list", "inventory", "--state", "odd"},
		} {
			if out, err := m.Run(refused...); err == nil || strings.Contains(out, "panic") {
				t.Errorf("%v: %s", refused, out)
			}
		}
		m.audit() // clean again
	})
}

// publishOddities publishes to inventory's and sales' streams: what is no event,
// an event whose call-back is refused, one of a type that nobody knows, and one of
// a thing that is not there.
func publishOddities(t *testing.T, b bus.Bus) {
	t.Helper()
	long := strings.Repeat("x", 300)
	event := func(source, kind, subject string) []byte {
		return fmt.Appendf(nil, `{"specversion":"1.0","id":"odd %s %.10s","source":"/%s","type":"%s.%s","subject":%q,"version":1,"time":"2026-01-02T03:04:05Z","data":{}}`,
			kind, subject, source, source, kind, subject)
	}
	for stream, bodies := range map[string][][]byte{
		"inventory": {[]byte("nonsense"), event("inventory", "sku_processed", long), event("inventory", "sky_fell", "A"), event("inventory", "sku_processed", "NOSUCH"), event("inventory", "order_allocated", "nosuch")},
		"sales":     {[]byte("nonsense"), event("sales", "order_placed", long), event("sales", "sky_fell", "A"), event("sales", "order_placed", "nosuch")},
		"catalog":   {event("catalog", "product_changed", long)},
	} {
		var messages []bus.Message
		for _, body := range bodies {
			messages = append(messages, bus.Message{Body: body})
		}
		harness.Eventually(t, func(ctx context.Context) error { return b.Publish(ctx, stream, messages) })
	}
}

// An embedded log that is gone altogether is like any other lost history.
func TestEmbeddedLogDeleted(t *testing.T) {
	m := newMachine(t)
	up := m.Start(nil, "up")
	m.ready()
	m.must("traffic", invoices(t, 30), "--stock", "1000")
	before := m.audit()
	up.Kill()
	files, err := filepath.Glob(filepath.Join(m.Data, "log.db*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no log in %s: %v", m.Data, err)
	}
	for _, f := range files {
		remove(t, f)
	}
	m.Start(nil, "up")
	m.ready()
	for _, service := range publishers() {
		m.must("rebuild", service)
	}
	if after := m.audit(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("before: %+v\nafter: %+v", before, after)
	}
}
