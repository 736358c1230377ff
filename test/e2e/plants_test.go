package e2e_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/db"
	"quadrille/internal/shop/audit"
	"quadrille/pkg/bus"
	"quadrille/services"
	"quadrille/test/harness"
	"quadrille/test/harness/nodes"
)

// vault opens the database of a running service.
func vault(t *testing.T, cfg app.Config, service string) *sql.DB {
	t.Helper()
	var conn *sql.DB
	if cfg.DatabaseURL == "" {
		var err error
		if conn, err = sql.Open("sqlite", db.DSN(strings.TrimPrefix(cfg.Database(service), "sqlite:"))); err != nil {
			t.Fatal(err)
		}
	} else {
		pg, err := pgx.ParseConfig(cfg.DatabaseURL)
		if err != nil {
			t.Fatal(err)
		}
		pg.RuntimeParams["search_path"] = pgx.Identifier{cfg.SchemaPrefix + service}.Sanitize()
		conn = stdlib.OpenDB(*pg)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// found returns the findings of an audit.
func found(t *testing.T, s *harness.Shop) string {
	t.Helper()
	report, err := audit.Take(t.Context(), audit.Config{URL: s.URL, Services: services.Names(), Optional: services.ConsumersOnly(), HTTP: s.HTTP})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(report.Differences, "\n")
}

// A judge that cannot condemn is none: each kind of difference, planted into the
// database of a running shop, is found and named.
func TestAuditFindsWhatIsPlanted(t *testing.T) {
	for name, parts := range map[string]func(testing.TB) app.Config{"embedded": harness.Embedded, "real": harness.Real} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := parts(t)
			s := harness.Start(t, cfg)
			offer(t, s, "A1", "2.55")
			receive(t, s, "r1", "A1", 10)
			first := becomes(t, s, place(t, s, orderOf("ann", "A1×2")).Id, "confirmed").Id
			second := becomes(t, s, place(t, s, orderOf("bob", "A1×3")).Id, "confirmed").Id
			agree(t, s)
			for _, p := range []struct {
				service, plant, mend, want string
			}{
				{"catalog", "DELETE FROM stock", "INSERT INTO stock (sku, quantity, version, updated_at) VALUES ('A1', 5, 3, '2026-01-01 00:00:00')", "SKU A1: catalog has no copy"},
				{"wishlist", "UPDATE stock SET version = version - 1", "UPDATE stock SET version = version + 1", "wishlist's copy 5 at version 2"},
				{"catalog", "UPDATE stock SET quantity = 7", "UPDATE stock SET quantity = 5", "product A1: shows 7, inventory has 5 available"},
				{"catalog", "UPDATE stock SET version = version - 1", "UPDATE stock SET version = version + 1", "catalog's copy 5 at version 2"},
				{"sales", "UPDATE prices SET price_minor = 1", "UPDATE prices SET price_minor = 255", "sales' copy 0.01 GBP"},
				{"inventory", "UPDATE skus SET reserved = reserved + 2", "UPDATE skus SET reserved = reserved - 2", "SKU A1: reserved 7, allocations reserve 5"},
				{"inventory", "UPDATE skus SET on_hand = on_hand + 1, adjusted = adjusted + 1", "UPDATE skus SET on_hand = on_hand - 1, adjusted = adjusted - 1", "SKU A1: inventory has 6 available"},
				{"inventory", "UPDATE allocations SET status = 'released' WHERE order_id = '" + first + "'", "UPDATE allocations SET status = 'allocated'", "order " + first + ": confirmed at sales, released at inventory"},
				{"inventory", "UPDATE allocation_lines SET quantity = 9 WHERE order_id = '" + second + "'", "UPDATE allocation_lines SET quantity = 3 WHERE order_id = '" + second + "'", "order " + second + ": 3 of A1 (0 short) at sales, 9 (0 short) at inventory"},
				{
					"inventory",
					"INSERT INTO allocations (order_id, order_version, status, version, updated_at) VALUES ('twin', 1, 'allocated', 1, '2026-01-01 00:00:00')",
					"DELETE FROM allocations WHERE order_id = 'twin'", "order twin: allocated at inventory, sales does not have the order",
				},
				{"sales", "UPDATE orders SET status = 'placed' WHERE id = '" + first + "'", "UPDATE orders SET status = 'confirmed'", "order " + first + ": placed at sales, allocated at inventory"},
				{"stats", "UPDATE orders SET status = 'placed' WHERE id = '" + first + "'", "UPDATE orders SET status = 'confirmed'", "stats' copy placed"},
			} {
				conn := vault(t, cfg, p.service)
				exec := func(statement string) {
					t.Helper()
					if _, err := conn.ExecContext(t.Context(), statement); err != nil {
						t.Fatalf("%s: %v", statement, err)
					}
				}
				exec(p.plant)
				if got := found(t, s); !strings.Contains(got, p.want) {
					t.Errorf("%s\nwant: %s\nfound: %s", p.plant, p.want, got)
				}
				exec(p.mend)
			}
			agree(t, s)
		})
	}
}

// What cannot be planted into a database: events that are not sent, a reader that
// lags, and one that cannot handle what it reads.
func TestAuditFindsWhatIsUnderWay(t *testing.T) {
	cfg := harness.Real(t)
	broker, err := url.Parse(cfg.AMQPURL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := nodes.NewProxy(t, broker.Host)
	direct := cfg
	broker.Host = proxy.Address()
	cfg.AMQPURL = broker.String()
	s := harness.Start(t, cfg)
	offer(t, s, "A1", "2.55")
	receive(t, s, "r1", "A1", 10)
	shows(t, s, "A1", 10)
	agree(t, s)
	finds := func(want string) {
		t.Helper()
		harness.Eventually(t, func(context.Context) error {
			if got := found(t, s); !strings.Contains(got, want) {
				return fmt.Errorf("%q is not found in\n%s", want, got)
			}
			return nil
		})
	}
	proxy.Cut()
	receive(t, s, "r2", "A1", 1)
	finds("outbox of inventory: 1 events unsent")
	finds("consumer of inventory in catalog: failing")
	proxy.Mend()
	shows(t, s, "A1", 11)
	agree(t, s)

	conn := vault(t, cfg, "catalog")
	tx, err := conn.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "SELECT last_offset FROM positions FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	receive(t, s, "r3", "A1", 1)
	finds("consumer of inventory in catalog: 1 behind")
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	agree(t, s)

	log := openLog(t, direct)
	harness.Eventually(t, func(ctx context.Context) error {
		return log.Publish(ctx, "catalog", []bus.Message{{Body: []byte("nonsense")}})
	})
	finds("dead letters of sales: 1")
}
