package catalog

import (
	"fmt"
	"testing"

	"gorm.io/gorm"
	"pgregory.net/rapid"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/internal/shop/stockcopy/stocktest"
	"quadrille/pkg/events"
	"quadrille/pkg/outbox/outboxtest"
)

// Events in any order and with duplicates give the same products at the same versions.
func TestProductsConverge(t *testing.T) {
	conn := dbtest.SQLite(t, Name, migrations)
	rapid.Check(t, func(t *rapid.T) {
		inventory, published := stocktest.History(t, "A", "B", "C")
		want := converge(t, conn, inventory, [][]events.Event{published})
		got := converge(t, conn, inventory, stocktest.Shuffled(t, published))
		if got != want {
			t.Fatalf("in order: %s\nshuffled: %s", want, got)
		}
	})
}

// converge delivers the batches to a catalog that offers two of the SKUs. It returns the
// products and the published events as text.
func converge(t *rapid.T, conn *gorm.DB, inventory stocktest.Inventory, batches [][]events.Event) (state string) {
	s := emptied(t, conn)
	put(t, s, "A", terms("A", 1))
	put(t, s, "B", terms("B", 1))
	for _, batch := range batches {
		follow(t, s, inventory, batch...)
	}
	for _, p := range shown(t, s) {
		state += fmt.Sprintf("%s shows %d at version %d; ", p.SKU, p.Quantity, p.Version)
	}
	return fmt.Sprint(state, len(outboxtest.Events(t, conn)), " events")
}

func emptied(t *rapid.T, conn *gorm.DB) *Service {
	for _, table := range []string{"products", "stock", "outbox"} {
		if err := conn.Exec("DELETE FROM " + table).Error; err != nil {
			t.Fatal(err)
		}
	}
	return serviceOn(conn)
}

func shown(t *rapid.T, s *Service) []Product {
	rows, err := s.Products(t.Context(), Query{}, "", 50)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// Any sequence of changes of products and stock gives the products of a simple model, and
// one event for each version, in order.
func TestCatalogMatchesAModel(t *testing.T) {
	conn := dbtest.SQLite(t, Name, migrations)
	rapid.Check(t, func(t *rapid.T) {
		s, inventory, account := emptied(t, conn), stocktest.Inventory{}, map[string]*Product{}
		for _, code := range codes() {
			account[code] = &Product{SKU: code}
		}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			step(t, s, inventory, account[rapid.SampledFrom(codes()).Draw(t, "sku")])
			checkModel(t, s, account)
		}
		checkEvents(t, s, account)
	})
}

func codes() []string { return []string{"A", "B"} }

// step applies a random operation to the service and to the product p of the model.
func step(t *rapid.T, s *Service, inventory stocktest.Inventory, p *Product) {
	switch rapid.SampledFrom([]string{"offer", "withdraw", "stock"}).Draw(t, "step") {
	case "offer":
		title := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "title")
		put(t, s, p.SKU, terms(title, 1))
		if p.Withdrawn || p.Title != title {
			p.Title, p.Withdrawn = title, false
			p.Version++
		}
	case "withdraw":
		offered := p.Version > 0 && !p.Withdrawn
		if err := s.Withdraw(t.Context(), p.SKU, always); (err == nil) != offered {
			t.Fatalf("withdraw %s: %v", p.SKU, err)
		}
		if offered {
			p.Withdrawn = true
			p.Version++
		}
	case "stock":
		quantity := rapid.Int64Range(0, 2).Draw(t, "quantity")
		follow(t, s, inventory, inventory.Set(p.SKU, quantity))
		if p.Quantity != quantity && p.Version > 0 && !p.Withdrawn {
			p.Version++
		}
		p.Quantity = quantity
	}
}

func checkModel(t *rapid.T, s *Service, account map[string]*Product) {
	got, want := "", ""
	for _, p := range shown(t, s) {
		got += fmt.Sprintf("%s %s %d at %d; ", p.SKU, p.Title, p.Quantity, p.Version)
	}
	for _, code := range codes() {
		if p := account[code]; p.Version > 0 && !p.Withdrawn {
			want += fmt.Sprintf("%s %s %d at %d; ", p.SKU, p.Title, p.Quantity, p.Version)
		}
	}
	if got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}

func checkEvents(t *rapid.T, s *Service, account map[string]*Product) {
	last := map[string]events.Event{}
	for _, e := range outboxtest.Events(t, s.store.db) {
		if e.Version != last[e.Subject].Version+1 {
			t.Fatalf("%s: event of version %d follows version %d", e.Subject, e.Version, last[e.Subject].Version)
		}
		last[e.Subject] = e
	}
	for code, p := range account {
		if last[code].Version != p.Version || p.Withdrawn != (last[code].Type == events.CatalogProductWithdrawn) {
			t.Fatalf("the last event is %+v, the product %+v", last[code], p)
		}
	}
}
