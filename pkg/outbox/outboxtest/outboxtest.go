// Package outboxtest reads an outbox in tests.
package outboxtest

import (
	"gorm.io/gorm"

	"quadrille/pkg/events"
	"quadrille/pkg/outbox"
)

// T is a test, of the standard library or of rapid.
type T interface {
	Helper()
	Fatal(args ...any)
}

// Events returns the events in the outbox, oldest first.
func Events(t T, conn *gorm.DB) []events.Event {
	t.Helper()
	var bodies []string
	if err := conn.Table(outbox.Table).Order("id").Pluck("body", &bodies).Error; err != nil {
		t.Fatal(err)
	}
	all := make([]events.Event, len(bodies))
	for i, body := range bodies {
		var err error
		if all[i], err = events.Decode([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	return all
}
