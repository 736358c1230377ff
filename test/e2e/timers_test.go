package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/db"
	"quadrille/services"
	catalogclient "quadrille/services/catalog/client"
	inventoryclient "quadrille/services/inventory/client"
	salesclient "quadrille/services/sales/client"
	"quadrille/test/harness"
	"quadrille/test/harness/binary"
)

// separate is a shop on real parts whose services are processes of their own.
type separate struct {
	*machine
	*harness.Shop

	cfg       app.Config
	processes map[string]*binary.Process
}

func serveSeparately(t *testing.T, env ...string) *separate {
	t.Helper()
	cfg := harness.Real(t)
	m := newMachine(t, append(settings(cfg), env...)...)
	s := &separate{machine: m, cfg: cfg, processes: map[string]*binary.Process{}, Shop: &harness.Shop{HTTP: client(t)}}
	for _, service := range services.Names() {
		s.processes[service] = m.Start(nil, "serve", service)
	}
	m.ready()
	var err error
	if s.Inventory, err = inventoryclient.New(m.URL("inventory"), s.HTTP); err != nil {
		t.Fatal(err)
	}
	if s.Sales, err = salesclient.New(m.URL("sales"), s.HTTP); err != nil {
		t.Fatal(err)
	}
	if s.Catalog, err = catalogclient.New(m.URL("catalog"), s.HTTP); err != nil {
		t.Fatal(err)
	}
	return s
}

// timesOut waits until an order is cancelled because it stayed placed for too long.
func (s *separate) timesOut(t *testing.T, id string) {
	t.Helper()
	if o := becomes(t, s.Shop, id, salesclient.Cancelled); o.Reason == nil || *o.Reason != "timed_out" || o.Version != 2 {
		t.Errorf("the order is %+v", o)
	}
}

// cancelled fails unless the audit finds n cancelled orders and no other.
func (s *separate) cancelled(t *testing.T, n int) {
	t.Helper()
	stock(t, s.Shop, "A", 10, 0)
	if report := s.audit(); report.Orders["cancelled"] != n || len(report.Orders) != 1 {
		t.Errorf("totals are %+v", report.Orders)
	}
}

// Orders time out while inventory is stopped. When it starts again, it reserves nothing.
func TestOrdersTimeOutWithoutInventory(t *testing.T) {
	t.Parallel()
	s := serveSeparately(t, "ORDER_TIMEOUT=2s")
	offer(t, s.Shop, "A", "2.55")
	receive(t, s.Shop, "r1", "A", 10)
	shows(t, s.Shop, "A", 10)
	s.processes["inventory"].Kill()
	var ids []string
	for range 5 {
		ids = append(ids, place(t, s.Shop, orderOf("ann", "A×2")).Id)
	}
	for _, id := range ids {
		s.timesOut(t, id)
	}
	s.Start(nil, "serve", "inventory")
	s.ready()
	s.cancelled(t, 5)
}

// Inventory reserves the stock and is killed before it has said so. The order times out, so
// that the allocation comes late: it changes nothing, and the stock is released.
func TestLateAllocationOfATimedOutOrderIsReleased(t *testing.T) {
	t.Parallel()
	s := serveSeparately(t, "ORDER_TIMEOUT=1h")
	offer(t, s.Shop, "A", "2.55")
	receive(t, s.Shop, "r1", "A", 10)
	shows(t, s.Shop, "A", 10)
	s.processes["inventory"].Kill()
	o := place(t, s.Shop, orderOf("ann", "A×2"))
	_ = s.Start([]string{"QUADRILLE_CRASH_AT=claimed:1"}, "serve", "inventory").Wait() // it has exited by itself
	if reserved := sqlValue[int64](t, s.cfg, "inventory", "SELECT reserved FROM skus WHERE code = 'A'"); reserved != 2 {
		t.Fatalf("%d are reserved, want 2", reserved)
	}
	sqlRun(t, s.cfg, "sales", "UPDATE timers SET due_at = clock_timestamp()")
	s.timesOut(t, o.Id)
	s.Start(nil, "serve", "inventory")
	s.ready()
	s.cancelled(t, 1)
	late := sqlValue[int64](t, s.cfg, "inventory", "SELECT COUNT(*) FROM outbox WHERE type = 'inventory.order_allocated' AND sent_at IS NOT NULL")
	if now := must[salesclient.Order](t)(s.Sales.Order(t.Context(), o.Id)); late != 1 || now.Status != salesclient.Cancelled || now.Version != 2 {
		t.Errorf("after %d late events the order is %+v", late, now)
	}
}

// The instance of sales that fires is killed before and after the commit. Each order times out
// once.
func TestKilledSalesTimesOutOrdersOnce(t *testing.T) {
	t.Parallel()
	s := serveSeparately(t, "ORDER_TIMEOUT=1h")
	offer(t, s.Shop, "A", "2.55")
	receive(t, s.Shop, "r1", "A", 10)
	shows(t, s.Shop, "A", 10)
	s.processes["inventory"].Kill()
	var ids []string
	for range 5 {
		ids = append(ids, place(t, s.Shop, orderOf("ann", "A×2")).Id)
	}
	s.processes["sales"].Kill()
	sqlRun(t, s.cfg, "sales", "UPDATE timers SET due_at = clock_timestamp()")
	for _, crash := range []struct {
		point string
		left  int64 // timers
	}{{"timer_handled", 5}, {"timer_fired", 0}} {
		_ = s.Start([]string{"QUADRILLE_CRASH_AT=" + crash.point + ":1"}, "serve", "sales").Wait() // it has exited by itself
		if n := sqlValue[int64](t, s.cfg, "sales", "SELECT COUNT(*) FROM timers"); n != crash.left {
			t.Errorf("%s leaves %d timers, want %d", crash.point, n, crash.left)
		}
	}
	s.Start(nil, "serve", "sales")
	s.Start(nil, "serve", "inventory")
	s.ready()
	for _, id := range ids {
		s.timesOut(t, id)
	}
	s.cancelled(t, 5)
	if n := sqlValue[int64](t, s.cfg, "sales", "SELECT COUNT(*) FROM outbox WHERE type = 'sales.order_cancelled'"); n != 5 {
		t.Errorf("%d events say so, want 5", n)
	}
}

// Two instances of sales run while thousands of orders time out, and the one that fires is
// killed in the middle. The other one goes on, and each order times out once. TIMEOUT_ORDERS sets
// the number of orders, for measurements.
func TestManyOrdersTimeOutOnceThoughAnInstanceIsKilled(t *testing.T) {
	t.Parallel()
	orders, _ := strconv.ParseInt(os.Getenv("TIMEOUT_ORDERS"), 10, 64)
	orders = max(orders, 3000)
	s := serveSeparately(t, "ORDER_TIMEOUT=1h")
	offer(t, s.Shop, "A", "2.55")
	receive(t, s.Shop, "r1", "A", 10)
	shows(t, s.Shop, "A", 10)
	s.processes["inventory"].Kill()
	s.placeMany(t, orders)
	twin := binary.New(t, s.Env[3:]...) // without path, data folder and port
	twin.Env = append(twin.Env, "CATALOG_URL="+s.machine.URL("catalog"), "INVENTORY_URL="+s.machine.URL("inventory"))
	second := twin.Start(nil, "serve", "sales")
	harness.Eventually(t, func(ctx context.Context) error { return twin.Ready(ctx, "sales") })

	began := time.Now()
	sqlRun(t, s.cfg, "sales", "UPDATE timers SET due_at = clock_timestamp()")
	const left = "SELECT COUNT(*) FROM timers"
	await(t, "the first order times out", func() bool { return sqlValue[int64](t, s.cfg, "sales", left) < orders })
	var victim *binary.Process
	owner := sqlValue[string](t, s.cfg, "sales", "SELECT owner FROM tasks WHERE name = 'timers'")
	for _, p := range []*binary.Process{s.processes["sales"], second} {
		if strings.Contains(owner, fmt.Sprintf("/%d/", p.Process.Pid)) {
			victim = p
		}
	}
	if victim == nil {
		t.Fatalf("no instance fires: the owner is %q", owner)
	}
	victim.Kill()
	at := sqlValue[int64](t, s.cfg, "sales", left)
	t.Logf("killed the instance that fired, %s after the timers were due, with %d of %d left", time.Since(began).Round(time.Millisecond), at, orders)
	await(t, "all orders time out", func() bool { return sqlValue[int64](t, s.cfg, "sales", left) == 0 })
	t.Logf("all orders timed out after %s", time.Since(began).Round(time.Millisecond))
	const events = " FROM outbox WHERE type = 'sales.order_cancelled'"
	all, distinct := sqlValue[int64](t, s.cfg, "sales", "SELECT COUNT(*)"+events), sqlValue[int64](t, s.cfg, "sales", "SELECT COUNT(DISTINCT subject)"+events)
	if all != orders || distinct != orders {
		t.Errorf("%d events about %d orders, want %d", all, distinct, orders)
	}
	if victim != second {
		s.Start(nil, "serve", "sales")
	}
	s.Start(nil, "serve", "inventory")
	s.ready()
	s.cancelled(t, int(orders))
}

// placeMany places orders by eight clients.
func (s *separate) placeMany(t *testing.T, orders int64) {
	t.Helper()
	var placed atomic.Int64
	var placing sync.WaitGroup
	for range 8 {
		placing.Go(func() {
			for placed.Add(1) <= orders {
				if _, _, err := s.Sales.Place(t.Context(), "", orderOf("ann", "A×2")); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	placing.Wait()
}

// await waits until a condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for began := time.Now(); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatalf("not so after a minute: %s", what)
		}
	}
}

// A confirmed order is overdue once, is listed until it is shipped, and the copies follow.
func TestConfirmedOrderIsOverdueUntilShipped(t *testing.T) {
	for name, configure := range map[string]func(testing.TB) app.Config{"embedded": harness.Embedded, "real": harness.Real} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := configure(t)
			cfg.ShipReminder = app.Period(time.Second)
			s := harness.Start(t, cfg)
			offer(t, s, "A", "2.55")
			receive(t, s, "r1", "A", 10)
			o := place(t, s, orderOf("ann", "A×2"))
			harness.Eventually(t, func(ctx context.Context) error {
				now, err := s.Sales.Order(ctx, o.Id)
				if err == nil && (now.OverdueAt == nil || now.Status != salesclient.Confirmed || now.Version != 3) {
					err = fmt.Errorf("the order is %+v", now)
				}
				return err
			})
			if ids := overdue(t, s); fmt.Sprint(ids) != fmt.Sprint([]string{o.Id}) {
				t.Errorf("overdue are %v, want %s", ids, o.Id)
			}
			agree(t, s)
			if shipped := must[salesclient.Order](t)(s.Sales.Ship(t.Context(), o.Id)); shipped.Version != 4 {
				t.Errorf("shipped %+v", shipped)
			}
			if ids := overdue(t, s); len(ids) != 0 {
				t.Errorf("overdue are %v", ids)
			}
			agree(t, s)
			if n := strings.Count(feed(t, s, "sales"), `"sales.order_overdue"`); n != 1 {
				t.Errorf("%d events say so, want 1", n)
			}
		})
	}
}

// overdue returns the IDs of the orders that sales lists as overdue.
func overdue(t *testing.T, s *harness.Shop) (ids []string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL("sales")+"/orders?overdue=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := s.HTTP.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var page salesclient.OrderPage
	if err := json.NewDecoder(answer.Body).Decode(&page); err != nil {
		t.Fatal(err)
	}
	for _, o := range page.Items {
		ids = append(ids, o.Id)
	}
	return ids
}

// sqlRun executes a statement in the schema of a service.
func sqlRun(t *testing.T, cfg app.Config, service, statement string) {
	t.Helper()
	sqlValue[bool](t, cfg, service, "WITH changed AS ("+statement+" RETURNING true) SELECT COUNT(*) > 0 FROM changed")
}

// sqlValue returns the value of a query in the schema of a service.
func sqlValue[T any](t *testing.T, cfg app.Config, service, query string) (value T) {
	t.Helper()
	conn, err := db.Open(t.Context(), db.Config{URL: cfg.DatabaseURL, Schema: cfg.SchemaPrefix + service, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(conn)
	if err := conn.Raw(query).Row().Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}
