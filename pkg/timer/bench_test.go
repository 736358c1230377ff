package timer_test

import (
	"testing"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
)

// BenchmarkFireTimers measures the firing of 10,000 due timers with one event each.
func BenchmarkFireTimers(b *testing.B) {
	for name, open := range map[string]func() *gorm.DB{
		"postgres": func() *gorm.DB { return dbtest.Postgres(b, "none", dbtest.NoTables()) },
		"sqlite":   func() *gorm.DB { return dbtest.SQLite(b, "none", dbtest.NoTables()) },
	} {
		b.Run(name, func(b *testing.B) {
			conn := open()
			f := firer(b, conn, announce)
			for b.Loop() {
				b.StopTimer()
				setAll(b, conn, many, 0)
				b.StartTimer()
				fire(b, f, many)
			}
			b.ReportMetric(float64(many*b.N)/b.Elapsed().Seconds(), "timers/s")
		})
	}
}
