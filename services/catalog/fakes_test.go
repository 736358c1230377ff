package catalog

import (
	"context"
	"testing"

	"gorm.io/gorm"
	"pgregory.net/rapid"

	"quadrille/internal/platform/db"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/internal/shop/stockcopy/stocktest"
	"quadrille/pkg/events"
)

// each runs test with a service on each database.
func each(t *testing.T, test func(t *testing.T, s *Service)) {
	t.Helper()
	dbtest.Each(t, Name, migrations, func(t *testing.T, conn *gorm.DB) { test(t, serviceOn(conn)) })
}

func serviceOn(conn *gorm.DB) *Service {
	return &Service{store: &store{db: conn, now: db.Now}, wake: func() {}}
}

func always(int64) error { return nil }

func put(t rapid.TB, s *Service, code string, terms Terms) Product {
	t.Helper()
	p, _, err := s.Put(context.Background(), code, terms, always)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// follow delivers inventory's events to the service.
func follow(t rapid.TB, s *Service, inventory stocktest.Inventory, batch ...events.Event) {
	t.Helper()
	if err := stocktest.Deliver(context.Background(), s.store.db, stockCopies(s.store, inventory), batch...); err != nil {
		t.Fatal(err)
	}
}
