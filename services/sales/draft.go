package sales

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

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

// Normalize upper-cases the SKUs and merges lines of the same one.
func (d Draft) Normalize() (Draft, error) {
	lines := make([]DraftLine, 0, len(d.Lines))
	place := map[string]int{}
	for i, l := range d.Lines {
		code, err := sku.Normalize(l.SKU)
		if err != nil {
			return d, err
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

// Fingerprint tells a draft from another one under the same idempotency key.
func (d Draft) Fingerprint() (string, error) {
	canonical, err := json.Marshal(d)
	if err != nil {
		return "", fmt.Errorf("fingerprint order: %w", err)
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:]), nil
}

// SKUs is what the draft asks for.
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
	return o, o.sum(prices)
}

// sum works out the total.
func (o *Order) sum(prices map[string]Price) error {
	total := money.Money{Currency: prices[o.Lines[0].SKU].Currency}
	for i, l := range o.Lines {
		cost, err := money.Money{Minor: l.PriceMinor, Currency: prices[l.SKU].Currency}.Times(l.Quantity)
		if err == nil {
			total, err = total.Add(cost)
		}
		if err != nil {
			return fault.New(fault.Invalid, "order_unpriceable", "the order cannot be summed up: %v", err).With(fmt.Sprintf("/lines/%d", i), "%v", err)
		}
	}
	o.TotalMinor, o.Currency = total.Minor, total.Currency
	return nil
}
