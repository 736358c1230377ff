package sales

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"quadrille/pkg/fault"
	"quadrille/pkg/money"
	"quadrille/pkg/sku"
)

// MaxQuantity limits the quantity of one SKU in an order.
const MaxQuantity = 1_000_000_000

// Draft is a requested order, before it has prices.
type Draft struct {
	Customer   string
	ExternalID *string
	Lines      []DraftLine
}

// DraftLine requests a quantity of one SKU. At is the line's index in the request, for
// errors.
type DraftLine struct {
	SKU      string
	Quantity int64
	At       int `json:"-"`
}

// Price is sales' copy of a product. Version is catalog's version of the product.
type Price struct {
	SKU        string `gorm:"column:sku;primaryKey"`
	Title      string
	PriceMinor int64
	Currency   string
	Version    int64
	Withdrawn  bool
	UpdatedAt  time.Time
}

// Normalize converts the SKUs to upper case and merges lines with the same SKU. It refuses
// an external ID with unprintable characters, because databases treat those differently.
func (d Draft) Normalize() (Draft, error) {
	if d.ExternalID != nil && !printable(*d.ExternalID) {
		return d, fault.New(fault.Invalid, "external_id_invalid", "the external_id contains unprintable characters").
			With("/external_id", "contains unprintable characters")
	}
	lines := make([]DraftLine, 0, len(d.Lines))
	index := map[string]int{}
	for i, l := range d.Lines {
		code, err := sku.Normalize(l.SKU)
		if err != nil {
			return d, fault.New(fault.Invalid, "sku_invalid", "%v", err).With(fmt.Sprintf("/lines/%d/sku", i), "is not a SKU code")
		}
		n, seen := index[code]
		if !seen {
			index[code] = len(lines)
			lines = append(lines, DraftLine{SKU: code, Quantity: l.Quantity, At: i})
			continue
		}
		if lines[n].Quantity += l.Quantity; lines[n].Quantity > MaxQuantity {
			return d, fault.New(fault.Invalid, "quantity_invalid", "the quantity of %s is greater than %d", code, int64(MaxQuantity)).
				With(fmt.Sprintf("/lines/%d/quantity", i), "with the lines before, exceeds %d", int64(MaxQuantity))
		}
	}
	d.Lines = lines
	return d, nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// Fingerprint returns a hash of the draft. It reveals when an idempotency key is reused with
// a different draft.
func (d Draft) Fingerprint() (string, error) {
	canonical, err := json.Marshal(d)
	if err != nil {
		return "", fmt.Errorf("fingerprint order: %w", err)
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:]), nil
}

// SKUs returns the SKUs of the draft's lines.
func (d Draft) SKUs() []string {
	skus := make([]string, len(d.Lines))
	for i, l := range d.Lines {
		skus[i] = l.SKU
	}
	return skus
}

// Place returns the order, at prices. The error names every SKU that is not on offer.
func (d Draft) Place(prices map[string]Price, now time.Time) (Order, error) {
	unknown := fault.New(fault.Invalid, "sku_unknown", "the order contains SKUs that are not on offer")
	o := Order{
		ID: uuid.Must(uuid.NewV7()).String(), ExternalID: d.ExternalID, Customer: d.Customer,
		Status: Placed, Version: 1, PlacedAt: now, UpdatedAt: now,
	}
	for n, l := range d.Lines {
		p, known := prices[l.SKU]
		if !known || p.Withdrawn {
			unknown = unknown.With(fmt.Sprintf("/lines/%d/sku", l.At), "%s is not on offer", l.SKU)
			continue
		}
		o.Lines = append(o.Lines, Line{OrderID: o.ID, N: n + 1, SKU: l.SKU, Title: p.Title, Quantity: l.Quantity, PriceMinor: p.PriceMinor})
	}
	if len(unknown.Fields) > 0 {
		return o, unknown
	}
	total, err := d.total(prices)
	o.TotalMinor, o.Currency = total.Minor, total.Currency
	return o, err
}

// total returns the price of all lines. It refuses lines in different currencies.
func (d Draft) total(prices map[string]Price) (money.Money, error) {
	total := money.Money{Currency: prices[d.Lines[0].SKU].Currency}
	for _, l := range d.Lines {
		p := prices[l.SKU]
		if p.Currency != total.Currency {
			return total, fault.New(fault.Invalid, "currencies_mixed", "all lines of an order must have the same currency").
				With(fmt.Sprintf("/lines/%d/sku", l.At), "%s is priced in %s, the lines before in %s", l.SKU, p.Currency, total.Currency)
		}
		cost, err := money.Money{Minor: p.PriceMinor, Currency: p.Currency}.Times(l.Quantity)
		if err == nil {
			total, err = total.Add(cost)
		}
		if err != nil {
			return total, fault.New(fault.Invalid, "total_too_large", "the total of the order is too large").
				With(fmt.Sprintf("/lines/%d/quantity", l.At), "makes the total too large")
		}
	}
	return total, nil
}
