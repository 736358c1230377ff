package money_test

import (
	"math"
	"testing"

	"quadrille/pkg/money"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		amount, currency, want string
		minor                  int64
	}{
		{"2.55", "GBP", "2.55", 255},
		{"2.5", "GBP", "2.50", 250},
		{"2", "GBP", "2.00", 200},
		{"0.05", "GBP", "0.05", 5},
		{"-0.05", "GBP", "-0.05", -5},
		{"100", "JPY", "100", 100},
		{"1.234", "KWD", "1.234", 1234},
		{"92233720368547758.07", "GBP", "92233720368547758.07", math.MaxInt64},
	} {
		m, err := money.Parse(tc.amount, tc.currency)
		if err != nil || m.Minor != tc.minor || m.Amount() != tc.want {
			t.Errorf("%s %s: got %+v, %q, %v", tc.amount, tc.currency, m, m.Amount(), err)
		}
	}
	for _, bad := range [][2]string{
		{"", "GBP"}, {".", "GBP"}, {"1.", "GBP"}, {".5", "GBP"}, {"1e3", "GBP"}, {"+1", "GBP"}, {"1,5", "GBP"}, {"1.005", "GBP"},
		{"0.5", "JPY"}, {"--1", "GBP"}, {"1.-5", "GBP"}, {"92233720368547758.08", "GBP"}, {"1", "gbp"}, {"1", "POUND"}, {"1", ""}, {"NaN", "GBP"},
	} {
		if m, err := money.Parse(bad[0], bad[1]); err == nil {
			t.Errorf("%q %q was parsed as %+v", bad[0], bad[1], m)
		}
	}
}

func TestOverflowIsAnError(t *testing.T) {
	most := money.Money{Minor: math.MaxInt64, Currency: "GBP"}
	if _, err := most.Add(money.Money{Minor: 1, Currency: "GBP"}); err == nil {
		t.Error("a sum wrapped around")
	}
	if _, err := most.Times(2); err == nil {
		t.Error("a product wrapped around")
	}
	if _, err := most.Add(money.Money{Minor: 1, Currency: "EUR"}); err == nil {
		t.Error("pounds and euros were added")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("2.55", "GBP")
	f.Fuzz(func(t *testing.T, amount, currency string) {
		m, err := money.Parse(amount, currency)
		if err != nil {
			return
		}
		again, err := money.Parse(m.Amount(), m.Currency)
		if err != nil || again != m {
			t.Errorf("%q became %+v, then %+v, %v", amount, m, again, err)
		}
	})
}
