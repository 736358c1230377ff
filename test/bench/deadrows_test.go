package bench_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/bus"
	"quadrille/pkg/outbox"
)

// deadRows is the number of dead rows that an open transaction keeps from being vacuumed.
const deadRows = 250_000

// sink is a log that takes everything, so that a claim costs what the database costs.
type sink struct{ bus.Bus }

func (sink) Publish(context.Context, string, []bus.Message) error { return nil }

// claimTime returns the median time of a claim of one event, and of a look at the depth.
func claimTime(b *testing.B, conn *gorm.DB, relay *outbox.Relay) (claim, depth time.Duration) {
	b.Helper()
	var claims, depths []time.Duration
	for range 101 {
		fill(b, conn, said(1))
		began := time.Now()
		_, err := relay.Waiting(b.Context())
		check(b, err)
		depths = append(depths, time.Since(began))
		began = time.Now()
		n, err := relay.RunOnce(b.Context())
		claims = append(claims, time.Since(began))
		check(b, err)
		if n != 1 {
			b.Fatalf("sent %d events, want 1", n)
		}
	}
	slices.Sort(claims)
	slices.Sort(depths)
	return claims[len(claims)/2], depths[len(depths)/2]
}

// BenchmarkClaimBehindDeadRows claims single events without, and with, an old snapshot
// that keeps the index entries of 250,000 handled rows.
func BenchmarkClaimBehindDeadRows(b *testing.B) {
	for name, conn := range map[string]*gorm.DB{
		"postgres": dbtest.Postgres(b, "bench", copyTable()),
		"sqlite":   dbtest.SQLite(b, "bench", dbtest.NoTables()),
	} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				measureBehindDeadRows(b, conn)
			}
		})
	}
}

func measureBehindDeadRows(b *testing.B, conn *gorm.DB) {
	relay, err := outbox.NewRelay(outbox.RelayConfig{DB: conn, Bus: sink{}, Stream: "sales", Log: quiet})
	check(b, err)
	before, depthBefore := claimTime(b, conn, relay)
	if conn.Name() == "postgres" {
		old := conn.Begin() // as a bulk load: it has written, and goes on for long
		check(b, old.Exec("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").Error)
		check(b, old.Exec("SET LOCAL idle_in_transaction_session_timeout = 0").Error)
		check(b, old.Exec("INSERT INTO copies VALUES ('elsewhere', 1)").Error)
		defer old.Rollback()
	}
	for range deadRows / count {
		fill(b, conn, said(count))
		for n := 1; n > 0; {
			n, err = relay.RunOnce(b.Context())
			check(b, err)
		}
	}
	behind, depthBehind := claimTime(b, conn, relay)
	b.ReportMetric(before.Seconds()*1e3, "claim_ms")
	b.ReportMetric(behind.Seconds()*1e3, "claim_behind_dead_ms")
	b.ReportMetric(behind.Seconds()/before.Seconds(), "ratio")
	b.ReportMetric(depthBehind.Seconds()/depthBefore.Seconds(), "depth_ratio")
	b.ReportMetric(0, "ns/op")
}
