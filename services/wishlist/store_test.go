package wishlist

import (
	"slices"
	"testing"

	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/internal/shop/stockcopy"
	"quadrille/internal/shop/stockcopy/stocktest"
)

func TestWishesAreSortedAndPaged(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		inventory := stocktest.Inventory{}
		for _, code := range []string{"C", "A", "E", "B", "D"} {
			wish(t, s, "ann", code)
		}
		wish(t, s, "Ann", "A")
		if err := s.Remove(t.Context(), "ann", "B"); err != nil {
			t.Fatal(err)
		}
		follow(t, s, inventory, inventory.Set("C", 1), inventory.Set("A", 0), inventory.Set("Z", 1))
		for name, tc := range map[string]struct {
			customer, after string
			limit           int
			want            []string
		}{
			"all":            {"ann", "", 50, []string{"A", "C available", "D", "E"}},
			"first page":     {"ann", "", 2, []string{"A", "C available"}},
			"next page":      {"ann", "C", 2, []string{"D", "E"}},
			"after the last": {"ann", "E", 2, nil},
			"other case":     {"Ann", "", 50, []string{"A"}},
			"no wishes":      {"bob", "", 50, nil},
		} {
			rows, err := s.Items(t.Context(), tc.customer, tc.after, tc.limit)
			var got []string
			for _, i := range rows {
				line := i.SKU
				if i.Available {
					line += " available"
				}
				got = append(got, line)
			}
			if err != nil || !slices.Equal(got, tc.want) {
				t.Errorf("%s: got %v (%v), want %v", name, got, err, tc.want)
			}
		}
	})
}

func TestDatabaseConstraintsRefuseInvalidRows(t *testing.T) {
	dbtest.Each(t, Name, migrations, func(t *testing.T, conn *gorm.DB) {
		wished := func(customer, sku string, version int64) error {
			return conn.Create(&Item{Customer: customer, SKU: sku, WishedAt: db.Now(), Version: version}).Error
		}
		stock := func(sku string, quantity, version int64) error {
			return conn.Create(&stockcopy.Copy{SKU: sku, Quantity: quantity, Version: version, UpdatedAt: db.Now()}).Error
		}
		if wished("ann", "A", 1) != nil || wished("bob", "A", 1) != nil || stock("A", 0, 0) != nil {
			t.Fatal("a valid row was refused")
		}
		for what, err := range map[string]error{
			"a wish at version 0": wished("ann", "B", 0), "the same wish twice": wished("ann", "A", 1),
			"a negative quantity": stock("B", -1, 1), "a negative version": stock("C", 1, -1), "two copies of a SKU": stock("A", 1, 1),
		} {
			if err == nil {
				t.Errorf("%s was stored", what)
			}
		}
	})
}
