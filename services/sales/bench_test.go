package sales

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"
	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/dbtx"
	"quadrille/pkg/outbox"
)

const benchClients = 16

func benchSKUs() []string { return []string{"22423", "85123A", "POST"} }

// benchService returns a service on PostgreSQL that can price benchSKUs.
func benchService(b *testing.B) *Service {
	b.Helper()
	s := serviceOn(b, dbtest.Postgres(b, Name, migrations), &fakeCatalog{})
	conn, err := s.store.db.DB()
	if err != nil {
		b.Fatal(err)
	}
	conn.SetMaxOpenConns(benchClients)
	conn.SetMaxIdleConns(benchClients)
	prices := make([]Price, 0, len(benchSKUs()))
	for _, code := range benchSKUs() {
		prices = append(prices, Price{SKU: code, Title: "A thing called " + code, PriceMinor: 255, Currency: "GBP", Version: 1})
	}
	if err := s.store.KeepPrices(b.Context(), prices); err != nil {
		b.Fatal(err)
	}
	return s
}

func benchDraft(n int64) Draft {
	id := fmt.Sprintf("bench-%d", n)
	d := Draft{Customer: "17850", ExternalID: &id}
	for i, code := range benchSKUs() {
		d.Lines = append(d.Lines, DraftLine{SKU: code, Quantity: int64(i + 1), At: i})
	}
	return d
}

// together runs work b.N times on benchClients goroutines in total.
func together(b *testing.B, work func(n int64) error) {
	b.Helper()
	var n atomic.Int64
	b.SetParallelism(benchClients / 2) // on two processors
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := work(n.Add(1)); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
}

// BenchmarkPlace measures Service.Place without HTTP.
func BenchmarkPlace(b *testing.B) {
	s := benchService(b)
	together(b, func(n int64) error {
		_, _, err := s.Place(b.Context(), nil, benchDraft(n))
		return err
	})
}

// BenchmarkCommitOrder compares the two ways to write an order, without the rest of Place:
// all statements in one round trip, and a transaction with a round trip for each
// (docs/decisions/0018-an-order-in-one-round-trip.md).
func BenchmarkCommitOrder(b *testing.B) {
	for name, place := range map[string]func(s *store, ctx context.Context, o Order, keys []idempotencyKey, fingerprint string) error{
		"one_trip": (*store).Place, "transaction": placeInTransaction,
	} {
		b.Run(name, func(b *testing.B) {
			s := benchService(b)
			prices, err := s.store.Prices(b.Context(), benchSKUs())
			if err != nil {
				b.Fatal(err)
			}
			together(b, func(n int64) error {
				d := benchDraft(n)
				fingerprint, err := d.Fingerprint()
				if err != nil {
					return err
				}
				o, err := d.Place(prices, s.store.now())
				if err != nil {
					return err
				}
				return place(s.store, b.Context(), o, keysOf(nil, d), fingerprint)
			})
		})
	}
}

// placeInTransaction is store.Place with gorm and outbox.Append.
func placeInTransaction(s *store, ctx context.Context, o Order, keys []idempotencyKey, fingerprint string) error {
	claims, err := claim(keys, fingerprint, o, s.db.Name())
	if err != nil {
		return err
	}
	return placed(dbtx.Run(s.db.WithContext(ctx), func(tx *gorm.DB) error {
		for _, c := range claims {
			if err := tx.Exec(c.SQL, c.Args...).Error; err != nil {
				return err
			}
		}
		if err := tx.Omit("Lines").Create(&o).Error; err != nil {
			return err
		}
		if err := tx.Create(&o.Lines).Error; err != nil {
			return err
		}
		return outbox.Append(ctx, tx, o.News())
	}))
}

// BenchmarkPostOrders measures POST /orders over HTTP, with the client in the same process.
func BenchmarkPostOrders(b *testing.B) {
	s := benchService(b)
	server := httptest.NewServer(serve(b, s))
	b.Cleanup(server.Close)
	hc := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: benchClients}}
	b.Cleanup(hc.CloseIdleConnections)
	together(b, func(n int64) error {
		body := fmt.Sprintf(`{"customer":"17850","external_id":"bench-%d","lines":[{"sku":"22423","quantity":1},{"sku":"85123a","quantity":2},{"sku":"POST","quantity":3}]}`, n)
		resp, err := hc.Post(server.URL+"/orders", echo.MIMEApplicationJSON, bytes.NewBufferString(body))
		if err != nil {
			return err
		}
		answer, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode != http.StatusCreated {
			err = fmt.Errorf("got status %d: %s", resp.StatusCode, answer)
		}
		return err
	})
}

// BenchmarkBareCommits writes the rows of the same orders with pgx alone: in a transaction
// with a round trip for each statement, and in one round trip.
func BenchmarkBareCommits(b *testing.B) {
	for name, commit := range map[string]func(b *testing.B, conn *pgx.Conn, n int64) error{
		"statements": commitStatements, "one_trip": commitBatch,
	} {
		b.Run(name, func(b *testing.B) {
			s := benchService(b)
			together(b, func(n int64) error { return onPgx(b, s.store.db, func(c *pgx.Conn) error { return commit(b, c, n) }) })
		})
	}
}

func onPgx(b *testing.B, conn *gorm.DB, do func(*pgx.Conn) error) error {
	b.Helper()
	pool, err := conn.DB()
	if err != nil {
		return err
	}
	c, err := pool.Conn(b.Context())
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Raw(func(driver any) error { return do(db.Pgx(driver)) })
}

type bareStatement struct {
	sql  string
	args []any
}

func bareRows(n int64) []bareStatement {
	id, now := fmt.Sprintf("%032d", n), db.Now()
	key, body := "bench-"+id, string(bytes.Repeat([]byte("x"), 450))
	lines := bareStatement{sql: "INSERT INTO order_lines (order_id, n, sku, title, quantity, price_minor, short) VALUES ($1,$2,$3,$4,$5,$6,$7),($8,$9,$10,$11,$12,$13,$14),($15,$16,$17,$18,$19,$20,$21)"}
	for i, code := range benchSKUs() {
		lines.args = append(lines.args, id, i+1, code, "A thing called "+code, int64(i+1), int64(255), int64(0))
	}
	return []bareStatement{
		{
			"INSERT INTO idempotency_keys (scope, key, fingerprint, answer, created_at) VALUES ($1,$2,$3,$4,$5)",
			[]any{"external_id", key, body[:64], body, now},
		},
		{
			"INSERT INTO orders (id, external_id, customer, status, currency, total_minor, version, placed_at, updated_at) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)",
			[]any{id, key, "17850", Placed, "GBP", int64(1530), int64(1), now, now},
		},
		lines,
		{
			"INSERT INTO outbox (event_id, type, subject, routing_key, body, created_at) VALUES ($1,$2,$3,$4,$5,$6)",
			[]any{id, "sales.order_placed", id, "sales.order_placed." + id, body[:400], now},
		},
	}
}

func commitStatements(b *testing.B, conn *pgx.Conn, n int64) error {
	b.Helper()
	return pgx.BeginFunc(b.Context(), conn, func(tx pgx.Tx) error {
		for _, s := range bareRows(n) {
			if _, err := tx.Exec(b.Context(), s.sql, s.args...); err != nil {
				return err
			}
		}
		return nil
	})
}

func commitBatch(b *testing.B, conn *pgx.Conn, n int64) error {
	b.Helper()
	batch := &pgx.Batch{}
	for _, s := range bareRows(n) {
		batch.Queue(s.sql, s.args...)
	}
	return conn.SendBatch(b.Context(), batch).Close()
}

// BenchmarkFireTimers measures how fast 10,000 placed orders time out, with one event each.
func BenchmarkFireTimers(b *testing.B) {
	const orders = 10_000
	s := benchService(b)
	next := int64(0)
	for b.Loop() {
		b.StopTimer()
		for range orders {
			next++
			if _, _, err := s.Place(b.Context(), nil, benchDraft(next)); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		if n := elapse(b, s, orderTimeout); n != orders {
			b.Fatalf("fired %d timers", n)
		}
	}
	b.ReportMetric(float64(orders*b.N)/b.Elapsed().Seconds(), "timers/s")
}
