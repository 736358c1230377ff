package bench_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	catalogclient "quadrille/services/catalog/client"
	inventoryclient "quadrille/services/inventory/client"
	salesclient "quadrille/services/sales/client"
	"quadrille/test/harness"
	"quadrille/test/harness/parts"
)

// BenchmarkCommitToCommit receives stock 50 times a second and takes the time
// until catalog's own change, call-back included, is committed. Both times are
// those of the rows: the receipt's and the product's.
func BenchmarkCommitToCommit(b *testing.B) {
	for range b.N {
		shop := harness.Start(b, harness.Real(b))
		const skus, perSecond = 200, 50
		price := catalogclient.Money{Amount: "1.00", Currency: "GBP"}
		for i := range skus {
			_, _, err := shop.Catalog.Put(b.Context(), fmt.Sprint("S", i), catalogclient.NewProduct{Title: "x", Price: price})
			check(b, err)
		}
		received := map[string]time.Time{}
		tick := time.NewTicker(time.Second / perSecond)
		defer tick.Stop()
		for i := range skus {
			<-tick.C
			r, _, err := shop.Inventory.Receive(b.Context(), inventoryclient.NewReceipt{ExternalId: strconv.Itoa(i), Sku: fmt.Sprint("S", i), Quantity: 1})
			check(b, err)
			received[r.Sku] = r.ReceivedAt
		}
		var took []time.Duration
		for sku, at := range received {
			harness.Eventually(b, func(ctx context.Context) error {
				p, err := shop.Catalog.Product(ctx, sku)
				if err == nil && p.Quantity != 1 {
					err = fmt.Errorf("%s shows %d", sku, p.Quantity)
				}
				if err == nil {
					took = append(took, p.UpdatedAt.Sub(at))
				}
				return err
			})
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50_ms")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99_ms")
		b.ReportMetric(0, "ns/op")
	}
}

// BenchmarkPlaceOrder places orders with 16 clients, beside bare commits of the
// same rows through pgx on as many connections as sales has.
func BenchmarkPlaceOrder(b *testing.B) {
	for range b.N {
		bare := bareOrders(b)
		shop := harness.Start(b, harness.Real(b))
		_, _, err := shop.Catalog.Put(b.Context(), "A", catalogclient.NewProduct{Title: "x", Price: catalogclient.Money{Amount: "1.00", Currency: "GBP"}})
		check(b, err)
		rate := hammer(b, func() error {
			o := salesclient.NewOrder{Customer: "ann"}
			o.Lines = append(o.Lines, struct {
				Quantity int64               `json:"quantity"`
				Sku      salesclient.SkuCode `json:"sku"`
			}{Sku: "A", Quantity: 1})
			_, _, err := shop.Sales.Place(b.Context(), uuid.NewString(), o)
			return err
		})
		b.ReportMetric(rate, "orders/s")
		b.ReportMetric(bare, "bare/s")
		b.ReportMetric(100*rate/bare, "%_of_bare")
		b.ReportMetric(0, "ns/op")
	}
}

// hammer has 16 clients do it for five seconds.
func hammer(b *testing.B, do func() error) (perSecond float64) {
	b.Helper()
	var done atomic.Int64
	var clients sync.WaitGroup
	began := time.Now()
	for range 16 {
		clients.Go(func() {
			for time.Since(began) < 5*time.Second {
				if err := do(); err != nil {
					b.Error(err)
					return
				}
				done.Add(1)
			}
		})
	}
	clients.Wait()
	return float64(done.Load()) / time.Since(began).Seconds()
}

// bareOrders measures the limit: a client that only commits an order, its line, its
// event and its key to the database.
func bareOrders(b *testing.B) (perSecond float64) {
	b.Helper()
	cfg, err := pgxpool.ParseConfig(parts.Postgres(b))
	check(b, err)
	schema := "t" + uuid.NewString()[:8]
	cfg.MaxConns = 8
	cfg.ConnConfig.RuntimeParams["search_path"] = schema
	pool, err := pgxpool.NewWithConfig(b.Context(), cfg)
	check(b, err)
	defer pool.Close()
	exec := func(sql string) {
		_, err := pool.Exec(b.Context(), sql)
		check(b, err)
	}
	exec(`CREATE SCHEMA "` + schema + `"`)
	defer exec(`DROP SCHEMA "` + schema + `" CASCADE`)
	for _, table := range []string{"orders", "lines", "outbox", "keys"} {
		exec(`CREATE TABLE ` + table + ` (id text PRIMARY KEY, body text NOT NULL, at timestamptz NOT NULL)`)
	}
	body := string(make([]byte, 0, 300)) + fmt.Sprintf("%0300d", 0)
	return hammer(b, func() error {
		tx, err := pool.Begin(b.Context())
		if err != nil {
			return err
		}
		defer tx.Rollback(b.Context())
		for _, table := range []string{"orders", "lines", "outbox", "keys"} {
			if _, err := tx.Exec(b.Context(), "INSERT INTO "+table+" VALUES ($1, $2, now())", uuid.NewString(), body); err != nil {
				return err
			}
		}
		return tx.Commit(b.Context())
	})
}
