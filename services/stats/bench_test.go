package stats

import (
	"fmt"
	"testing"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/events"
)

// BenchmarkReplay measures the replay of a long history in the batches of a consumer: Fetch
// and Apply, without the log and without HTTP.
func BenchmarkReplay(b *testing.B) {
	for name, open := range map[string]func(b *testing.B) *gorm.DB{
		"sqlite":   func(b *testing.B) *gorm.DB { return dbtest.SQLite(b, Name, migrations) },
		"postgres": func(b *testing.B) *gorm.DB { return dbtest.Postgres(b, Name, migrations) },
	} {
		b.Run(name, func(b *testing.B) {
			const batch = 500
			published := longHistory()
			sales, read := newSales(), 0
			shop(sales, benchOrders)
			for b.Loop() {
				s := serviceOn(open(b))
				for at := 0; at < len(published); at += batch {
					if err := deliver(s, sales, published[at:at+batch]...); err != nil {
						b.Fatal(err)
					}
				}
				read += len(published)
			}
			b.ReportMetric(float64(read)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

const benchOrders = 4000

// longHistory returns 500,000 events of benchOrders orders.
func longHistory() []events.Event {
	published := make([]events.Event, 0, 500_000)
	for i := range cap(published) {
		published = append(published, events.OrderChanged(events.SalesOrderConfirmed, fmt.Sprintf("o%04d", i/2%benchOrders), int64(i%2+1)))
	}
	return published
}
