package catalog

import (
	"fmt"
	"slices"
	"testing"

	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/internal/shop/stockcopy"
	"quadrille/internal/shop/stockcopy/stocktest"
	"quadrille/pkg/money"
	"quadrille/pkg/restclient"
)

func TestSearchesAndPagesProducts(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		for code, title := range map[string]string{
			"10001": "Crème Brûlée Dish", "10002": "100% Wool", "10003": "1000 Wools", "10004": "under_score",
			"10005": "underscore", "10006": "Really!", "10007": `back\slash`, "10008": "withdrawn wool", "ab-1": "plain",
		} {
			put(t, s, code, Terms{Title: title, Description: "Made in Łódź", Price: money.Money{Minor: 1, Currency: "GBP"}})
		}
		if err := s.Withdraw(t.Context(), "10008", always); err != nil {
			t.Fatal(err)
		}
		inventory := stocktest.Inventory{}
		follow(t, s, inventory, inventory.Set("10001", 1), inventory.Set("10002", 0), inventory.Set("10008", 5), inventory.Set("OTHER", 5))
		all := []string{"10001", "10002", "10003", "10004", "10005", "10006", "10007", "AB-1"}
		for name, tc := range map[string]struct {
			query Query
			after string
			limit int
			want  []string
		}{
			"all":                    {Query{}, "", 50, all},
			"first page":             {Query{}, "", 3, all[:3]},
			"next page":              {Query{}, "10003", 3, all[3:6]},
			"after the last":         {Query{}, "AB-1", 3, nil},
			"without accents":        {Query{Text: "creme BRULEE"}, "", 50, all[:1]},
			"with other accents":     {Query{Text: "Crémè"}, "", 50, all[:1]},
			"with combining accents": {Query{Text: "Cre\u0300me"}, "", 50, all[:1]},
			"a part of a word":       {Query{Text: "ool"}, "", 50, all[1:3]},
			"by SKU":                 {Query{Text: "Ab-"}, "", 50, all[7:]},
			"by description":         {Query{Text: "made in"}, "", 50, all},
			"a percent sign":         {Query{Text: "100%"}, "", 50, all[1:2]},
			"an underscore":          {Query{Text: "r_s"}, "", 50, all[3:4]},
			"the escape":             {Query{Text: "!"}, "", 50, all[5:6]},
			"a backslash":            {Query{Text: `k\s`}, "", 50, all[6:7]},
			"a quote":                {Query{Text: `' OR '1'='1`}, "", 50, nil},
			"blanks":                 {Query{Text: "  "}, "", 50, all},
			"available":              {Query{Available: restclient.Ptr(true)}, "", 50, all[:1]},
			"unavailable":            {Query{Available: restclient.Ptr(false)}, "", 50, all[1:]},
			"named":                  {Query{SKUs: []string{"ab-1", "10008", "10002", "NONE"}}, "", 50, []string{"10002", "AB-1"}},
			"named and available":    {Query{SKUs: []string{"10001", "10002"}, Available: restclient.Ptr(true)}, "", 50, all[:1]},
			"withdrawn":              {Query{Text: "withdrawn"}, "", 50, nil},
		} {
			rows, err := s.Products(t.Context(), tc.query, tc.after, tc.limit)
			var got []string
			for _, p := range rows {
				got = append(got, p.SKU)
			}
			if err != nil || !slices.Equal(got, tc.want) {
				t.Errorf("%s: got %v (%v), want %v", name, got, err, tc.want)
			}
		}
	})
}

// The batch has more products than any single statement.
func TestStockOfManyProductsChangesAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		inventory := stocktest.Inventory{}
		var codes []string
		for i := range 60 {
			codes = append(codes, fmt.Sprintf("S%02d", i))
			put(t, s, codes[i], terms(codes[i], 1))
		}
		for i := range 700 {
			inventory.Set(fmt.Sprintf("S%02d", i), int64(i+1))
		}
		batch := inventory.Events()
		follow(t, s, inventory, batch...)
		rows, err := s.Products(t.Context(), Query{}, "", 500)
		if err != nil || len(rows) != len(codes) {
			t.Fatalf("%d products, %v", len(rows), err)
		}
		for i, p := range rows {
			if p.Version != 2 || p.Quantity != int64(i+1) {
				t.Errorf("shown %+v", p)
			}
		}
	})
}

func TestDatabaseConstraintsRefuseInvalidRows(t *testing.T) {
	dbtest.Each(t, Name, migrations, func(t *testing.T, conn *gorm.DB) {
		product := func(sku string, price, version int64) error {
			return conn.Create(&Product{SKU: sku, Title: sku, PriceMinor: price, Currency: "GBP", Version: version, CreatedAt: db.Now(), UpdatedAt: db.Now()}).Error
		}
		stock := func(sku string, quantity, version int64) error {
			return conn.Create(&stockcopy.Copy{SKU: sku, Quantity: quantity, Version: version, UpdatedAt: db.Now()}).Error
		}
		if product("A", 0, 1) != nil || stock("A", 0, 0) != nil {
			t.Fatal("a valid row was refused")
		}
		for what, err := range map[string]error{
			"a negative price": product("B", -1, 1), "a product at version 0": product("C", 1, 0), "two of a SKU": product("A", 1, 1),
			"a negative quantity": stock("B", -1, 1), "a negative version": stock("C", 1, -1), "two copies of a SKU": stock("A", 1, 1),
		} {
			if err == nil {
				t.Errorf("%s was stored", what)
			}
		}
	})
}
