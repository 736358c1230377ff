package catalog

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"quadrille/pkg/fault"
	"quadrille/pkg/money"
)

func terms(title string, minor int64) Terms {
	return Terms{Title: title, Price: money.Money{Minor: minor, Currency: "GBP"}}
}

func TestOfferRaisesTheVersionOnlyWhenSomethingChanges(t *testing.T) {
	then, now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2026, 1, 3, 3, 4, 5, 0, time.UTC)
	before := func() Product {
		p := Product{SKU: "85123A"}
		p.Offer(Terms{Title: "Holder", Description: "of hearts", Price: money.Money{Minor: 255, Currency: "GBP"}}, then)
		return p
	}
	for name, tc := range map[string]struct {
		terms   Terms
		changed bool
	}{
		"the same":    {Terms{"Holder", "of hearts", money.Money{Minor: 255, Currency: "GBP"}}, false},
		"title":       {Terms{"Hölder", "of hearts", money.Money{Minor: 255, Currency: "GBP"}}, true},
		"description": {Terms{"Holder", "", money.Money{Minor: 255, Currency: "GBP"}}, true},
		"price":       {Terms{"Holder", "of hearts", money.Money{Minor: 256, Currency: "GBP"}}, true},
		"currency":    {Terms{"Holder", "of hearts", money.Money{Minor: 255, Currency: "EUR"}}, true},
	} {
		p := before()
		created, changed := p.Offer(tc.terms, now)
		if created || changed != tc.changed {
			t.Errorf("%s: created %t, changed %t", name, created, changed)
		}
		if (p.Version == 2) != tc.changed || p.UpdatedAt.Equal(now) != tc.changed || !p.CreatedAt.Equal(then) {
			t.Errorf("%s: %+v", name, p)
		}
		if p.Search != Fold("85123A "+tc.terms.Title+" "+tc.terms.Description) {
			t.Errorf("%s: got search text %q", name, p.Search)
		}
	}
}

func TestWithdrawAndOfferAgain(t *testing.T) {
	then, now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2026, 1, 3, 3, 4, 5, 0, time.UTC)
	p := Product{SKU: "A"}
	if err := p.Withdraw(now); !fault.Is(err, fault.NotFound) || p.Version != 0 {
		t.Errorf("withdrawn before it was offered: %v, %+v", err, p)
	}
	p.Offer(terms("A", 1), then)
	if err := p.Withdraw(now); err != nil || p.Exists() || p.Version != 2 || !p.UpdatedAt.Equal(now) {
		t.Errorf("withdrawn: %v, %+v", err, p)
	}
	if err := p.Withdraw(now); !fault.Is(err, fault.NotFound) || p.Version != 2 {
		t.Errorf("withdrawn twice: %v, %+v", err, p)
	}
	created, changed := p.Offer(terms("A", 1), now)
	if !created || !changed || !p.Exists() || p.Version != 3 || !p.CreatedAt.Equal(then) {
		t.Errorf("offered again: created %t, changed %t, %+v", created, changed, p)
	}
}

// Any sequence of operations raises the version by one with each change, and only then.
func TestVersionRisesByOneWithEachChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, now := Product{SKU: "A"}, time.Now()
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			before := p
			var changed bool
			if rapid.Bool().Draw(t, "withdraw") {
				changed = p.Withdraw(now) == nil
			} else {
				_, changed = p.Offer(terms(rapid.SampledFrom([]string{"x", "y"}).Draw(t, "title"), 1), now)
			}
			if changed && p.Version != before.Version+1 || !changed && fmt.Sprint(p) != fmt.Sprint(before) {
				t.Fatalf("changed %t: %+v was %+v", changed, p, before)
			}
		}
	})
}

func TestFold(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "",
		"WHITE  Hanging\tHeart ": "white hanging heart",
		"Crème Brûlée":           "creme brulee",
		"Cre\u0300me":            "creme",
		"ÅNGSTRÖM":               "angstrom",
		"Straße":                 "strasse",
		"ΣΊΣΥΦΟΣ":                "σισυφοσ",
		"ЁЛКА":                   "елка",
		"100% _wool_ \\ !":       "100% _wool_ \\ !",
		"日本 한국":                  "日本 한국",
		"ꭰ":                      "ꭰ",
		"Ꭰ":                      "ꭰ",
	} {
		if got := Fold(text); got != want {
			t.Errorf("Fold(%q): got %q, want %q", text, got, want)
		}
	}
}

func TestFoldIsIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		once := Fold(rapid.String().Draw(t, "text"))
		if twice := Fold(once); twice != once {
			t.Fatalf("%q folds to %q", once, twice)
		}
	})
}
