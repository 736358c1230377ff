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

// MaxQuantity bounds how many of one SKU an order may ask for.
const MaxQuantity = 1_000_000_000

// Draft is an order as the customer wants it, before it has prices.
type Draft struct {
	Customer   string
	ExternalID *string
	Lines      []DraftLine
}

// DraftLine is how many of a SKU are wanted. At is the line's index in the
// request, for errors.
type DraftLine struct {
	SKU      string
	Quantity int64
	At       int `json:"-"`
}

// Price is sales' copy of a product: what it costs, at catalog's version of it.
type Price struct {
	SKU        string `gorm:"column:sku;primaryKey"`
	Title      string
	PriceMinor int64
	Currency   string
	Version    int64
	Withdrawn  bool
	UpdatedAt  time.Time
}

// Normalize upper-cases the SKUs and merges lines of the same one. It refuses an
// external ID that is not printable: databases differ in what they do with one.
func (d Draft) Normalize() (Draft, error) {
	if d.ExternalID != nil && !printable(*d.ExternalID) {
		return d, fault.New(fault.Invalid, "external_id_invalid", "the external_id holds characters that cannot be printed").
			With("/external_id", "holds characters that cannot be printed")
	}
	lines := make([]DraftLine, 0, len(d.Lines))
	place := map[string]int{}
	for i, l := range d.Lines {
		code, err := sku.Normalize(l.SKU)
		if err != nil {
			return d, fault.New(fault.Invalid, "sku_invalid", "%v", err).With(fmt.Sprintf("/lines/%d/sku", i), "is not a SKU code")
		}
		n, seen := place[code]
		if !seen {
			place[code] = len(lines)
			lines = append(lines, DraftLine{SKU: code, Quantity: l.Quantity, At: i})
			continue
		}
		if lines[n].Quantity += l.Quantity; lines[n].Quantity > MaxQuantity {
			return d, fault.New(fault.Invalid, "quantity_invalid", "%s is asked for more than %d times", code, int64(MaxQuantity)).
				With(fmt.Sprintf("/lines/%d/quantity", i), "makes more than %d with the lines before", int64(MaxQuantity))
		}
	}
	d.Lines = lines
	return d, nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// Fingerprint tells a draft from another one under the same idempotency key.
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

// Place makes the order, at prices. Every SKU that is not on offer is named.
func (d Draft) Place(prices map[string]Price, now time.Time) (Order, error) {
	unknown := fault.New(fault.Invalid, "sku_unknown", "the order names what is not on offer")
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

// total returns the price of all lines, which must have one currency.
func (d Draft) total(prices map[string]Price) (money.Money, error) {
	total := money.Money{Currency: prices[d.Lines[0].SKU].Currency}
	for _, l := range d.Lines {
		p := prices[l.SKU]
		if p.Currency != total.Currency {
			return total, fault.New(fault.Invalid, "currencies_mixed", "an order is paid in one currency").
				With(fmt.Sprintf("/lines/%d/sku", l.At), "%s is priced in %s, those before in %s", l.SKU, p.Currency, total.Currency)
		}
		cost, err := money.Money{Minor: p.PriceMinor, Currency: p.Currency}.Times(l.Quantity)
		if err == nil {
			total, err = total.Add(cost)
		}
		if err != nil {
			return total, fault.New(fault.Invalid, "total_too_large", "the total of the order is more than can be reckoned with").
				With(fmt.Sprintf("/lines/%d/quantity", l.At), "makes the total too large")
		}
	}
	return total, nil
}
