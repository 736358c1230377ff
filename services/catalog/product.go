package catalog

import (
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"

	"quadrille/pkg/fault"
	"quadrille/pkg/money"
)

// Product is a product that the shop offers or has withdrawn.
type Product struct {
	SKU         string `gorm:"column:sku;primaryKey"`
	Title       string
	Description string
	PriceMinor  int64
	Currency    string
	Search      string // searched text: folded SKU, title and description
	Withdrawn   bool
	Version     int64
	// The service sets the times, not gorm, so that a response has the stored values.
	CreatedAt time.Time `gorm:"autoCreateTime:false"`
	UpdatedAt time.Time `gorm:"autoUpdateTime:false"`
	Quantity  int64     `gorm:"->"` // from the copy of stock, read only
}

// Terms are the title, description and price of an offer.
type Terms struct {
	Title       string
	Description string
	Price       money.Money
}

// Price returns the product's price.
func (p *Product) Price() money.Money { return money.Money{Minor: p.PriceMinor, Currency: p.Currency} }

// Exists reports whether the product is on offer.
func (p *Product) Exists() bool { return p.Version > 0 && !p.Withdrawn }

// Offer puts the product on offer at terms. created is true if it was not on offer before,
// changed if its version rose.
func (p *Product) Offer(t Terms, now time.Time) (created, changed bool) {
	created = !p.Exists()
	same := p.Title == t.Title && p.Description == t.Description && p.Price() == t.Price
	if !created && same {
		return false, false
	}
	if p.Version == 0 {
		p.CreatedAt = now
	}
	p.Title, p.Description = t.Title, t.Description
	p.PriceMinor, p.Currency = t.Price.Minor, t.Price.Currency
	p.Search = Fold(p.SKU + " " + p.Title + " " + p.Description)
	p.Withdrawn = false
	p.UpdatedAt = now
	p.Version++
	return created, true
}

// Withdraw withdraws the product. A product that is not on offer gives a fault (NotFound).
func (p *Product) Withdraw(now time.Time) error {
	if !p.Exists() {
		return unknown(p.SKU)
	}
	p.Withdrawn = true
	p.UpdatedAt = now
	p.Version++
	return nil
}

func unknown(sku string) error {
	return fault.New(fault.NotFound, "product_unknown", "product %s is not on offer", sku)
}

// Fold normalizes text for searches: it removes case, accents and repeated white space.
func Fold(text string) string {
	plain, _, err := transform.String(transform.Chain(norm.NFD, runes.Remove(runes.In(unicode.Mn)), norm.NFC), text)
	if err != nil {
		plain = text
	}
	// Each case folding toggles the case of Cherokee letters. ToLower makes Fold idempotent.
	return strings.ToLower(cases.Fold().String(strings.Join(strings.Fields(plain), " ")))
}
