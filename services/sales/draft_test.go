package sales

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"quadrille/pkg/fault"
)

func draft(lines ...DraftLine) Draft {
	for i := range lines {
		lines[i].At = i
	}
	return Draft{Customer: "17850", Lines: lines}
}

func pricesOf(all ...Price) map[string]Price {
	prices := map[string]Price{}
	for _, p := range all {
		prices[p.SKU] = p
	}
	return prices
}

func TestMergesLinesOfTheSameSKU(t *testing.T) {
	d, err := draft(DraftLine{SKU: "85123a", Quantity: 2}, DraftLine{SKU: "B", Quantity: 1}, DraftLine{SKU: "85123A", Quantity: 3}).Normalize()
	want := []DraftLine{{SKU: "85123A", Quantity: 5, At: 0}, {SKU: "B", Quantity: 1, At: 1}}
	if err != nil || !slices.Equal(d.Lines, want) {
		t.Errorf("got %+v (%v), want %+v", d.Lines, err, want)
	}
}

func TestRefusesInvalidDrafts(t *testing.T) {
	unprintable := "a\x00b"
	named := draft(DraftLine{SKU: "A", Quantity: 1})
	named.ExternalID = &unprintable
	prices := pricesOf(
		Price{SKU: "A", PriceMinor: 100, Currency: "GBP"}, Price{SKU: "EUR", PriceMinor: 100, Currency: "EUR"},
		Price{SKU: "GONE", PriceMinor: 100, Currency: "GBP", Withdrawn: true},
		Price{SKU: "DEAR", PriceMinor: math.MaxInt64 / 2, Currency: "GBP"},
		Price{SKU: "DEAR2", PriceMinor: math.MaxInt64 / 2, Currency: "GBP"},
		Price{SKU: "DEAR3", PriceMinor: math.MaxInt64 / 2, Currency: "GBP"},
	)
	for name, tc := range map[string]struct {
		draft    Draft
		code     string
		pointers []string
	}{
		"too many together": {draft(DraftLine{SKU: "A", Quantity: MaxQuantity}, DraftLine{SKU: "a", Quantity: 1}), "quantity_invalid", []string{"/lines/1/quantity"}},
		"invalid SKU":       {draft(DraftLine{SKU: "A", Quantity: 1}, DraftLine{SKU: "a/b", Quantity: 1}), "sku_invalid", []string{"/lines/1/sku"}},
		"external ID":       {named, "external_id_invalid", []string{"/external_id"}},
		"not on offer": {
			draft(DraftLine{SKU: "A", Quantity: 1}, DraftLine{SKU: "a", Quantity: 1}, DraftLine{SKU: "NONE", Quantity: 1}, DraftLine{SKU: "gone", Quantity: 1}),
			"sku_unknown", []string{"/lines/2/sku", "/lines/3/sku"},
		},
		"two currencies":    {draft(DraftLine{SKU: "A", Quantity: 1}, DraftLine{SKU: "EUR", Quantity: 1}), "currencies_mixed", []string{"/lines/1/sku"}},
		"product too large": {draft(DraftLine{SKU: "A", Quantity: 1}, DraftLine{SKU: "DEAR", Quantity: 3}), "total_too_large", []string{"/lines/1/quantity"}},
		"sum too large":     {draft(DraftLine{SKU: "DEAR", Quantity: 1}, DraftLine{SKU: "DEAR2", Quantity: 1}, DraftLine{SKU: "DEAR3", Quantity: 1}), "total_too_large", []string{"/lines/2/quantity"}},
		"largest total":     {draft(DraftLine{SKU: "DEAR", Quantity: 2}), "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := tc.draft.Normalize()
			if err == nil {
				_, err = d.Place(prices, time.Now())
			}
			checkCode(t, err, fault.Invalid, tc.code)
			var pointers []string
			var f *fault.Fault
			if errors.As(err, &f) {
				for _, field := range f.Fields {
					pointers = append(pointers, field.Pointer)
				}
			}
			if !slices.Equal(pointers, tc.pointers) {
				t.Errorf("got pointers %v, want %v", pointers, tc.pointers)
			}
		})
	}
}

func TestPlacesAtTheCurrentPrices(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	d, err := draft(DraftLine{SKU: "b", Quantity: 3}, DraftLine{SKU: "A", Quantity: 2}).Normalize()
	if err != nil {
		t.Fatal(err)
	}
	o, err := d.Place(pricesOf(Price{SKU: "A", Title: "Lantern", PriceMinor: 255, Currency: "GBP"}, Price{SKU: "B", Title: "Mug", PriceMinor: 100, Currency: "GBP"}), now)
	if err != nil {
		t.Fatal(err)
	}
	want := []Line{
		{OrderID: o.ID, N: 1, SKU: "B", Title: "Mug", Quantity: 3, PriceMinor: 100},
		{OrderID: o.ID, N: 2, SKU: "A", Title: "Lantern", Quantity: 2, PriceMinor: 255},
	}
	if o.TotalMinor != 810 || o.Currency != "GBP" || !slices.Equal(o.Lines, want) {
		t.Errorf("got %+v", o)
	}
	if o.Status != Placed || o.Version != 1 || o.PlacedAt != now || o.UpdatedAt != now || len(o.ID) != 36 {
		t.Errorf("got %+v", o)
	}
}

func TestFingerprintDiffersForDifferentDrafts(t *testing.T) {
	id := "x"
	base := draft(DraftLine{SKU: "A", Quantity: 1}, DraftLine{SKU: "B", Quantity: 2})
	others := map[string]Draft{
		"customer": {Customer: "other", Lines: base.Lines}, "external ID": {Customer: base.Customer, ExternalID: &id, Lines: base.Lines},
		"quantity": draft(DraftLine{SKU: "A", Quantity: 2}, DraftLine{SKU: "B", Quantity: 2}), "fewer": draft(DraftLine{SKU: "A", Quantity: 1}),
		"order of lines": draft(DraftLine{SKU: "B", Quantity: 2}, DraftLine{SKU: "A", Quantity: 1}),
	}
	for name, other := range others {
		if fingerprint(t, base) == fingerprint(t, other) {
			t.Errorf("a draft with another %s has the same fingerprint", name)
		}
	}
	same := draft(DraftLine{SKU: "a", Quantity: 1}, DraftLine{SKU: "B", Quantity: 1}, DraftLine{SKU: "b", Quantity: 1})
	if fingerprint(t, base) != fingerprint(t, same) {
		t.Error("an equivalent draft has another fingerprint")
	}
}

func fingerprint(t *testing.T, d Draft) string {
	t.Helper()
	d, err := d.Normalize()
	if err != nil {
		t.Fatal(err)
	}
	f, err := d.Fingerprint()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestPrintable(t *testing.T) {
	for s, want := range map[string]bool{
		"536365": true, "Grüße 1": true, "a b": true, "": true,
		"a\nb": false, "a\x00": false, "\xff": false, strings.Repeat("x", 200): true,
	} {
		if printable(s) != want {
			t.Errorf("printable(%q): got %v", s, !want)
		}
	}
}
