package stats

import (
	"fmt"
	"testing"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/events"
)

// BenchmarkReplay reads a history that was long there when stats joined, in a
// reader's batches: Fetch and Apply, without the log and without HTTP.
func BenchmarkReplay(b *testing.B) {
	for name, open := range map[string]func(b *testing.B) *gorm.DB{
		"sqlite":   func(b *testing.B) *gorm.DB { return dbtest.SQLite(b, Name, migrations) },
		"postgres": func(b *testing.B) *gorm.DB { return dbtest.Postgres(b, Name, migrations) },
	} {
		b.Run(name, func(b *testing.B) {
			const batch = 500
			told := longHistory()
			sales, read := newSales(), 0
			shop(sales, benchOrders)
			for b.Loop() {
				s := serviceOn(open(b))
				for at := 0; at < len(told); at += batch {
					if err := deliver(s, sales, told[at:at+batch]...); err != nil {
						b.Fatal(err)
					}
				}
				read += len(told)
			}
			b.ReportMetric(float64(read)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

const benchOrders = 4000

// longHistory is 500,000 events of benchOrders orders, many of each at once.
func longHistory() []events.Event {
	told := make([]events.Event, 0, 500_000)
	for i := range cap(told) {
		told = append(told, events.OrderChanged(events.SalesOrderConfirmed, fmt.Sprintf("o%04d", i/2%benchOrders), int64(i%2+1)))
	}
	return told
}
