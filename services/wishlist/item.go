package wishlist

import (
	"time"

	"quadrille/pkg/fault"
)

// Item is a customer's wish. One that was taken off the list is kept, so that
// its version never falls when it is wished for again.
type Item struct {
	Customer   string `gorm:"primaryKey"`
	SKU        string `gorm:"column:sku;primaryKey"`
	WishedAt   time.Time
	NotifiedAt *time.Time // when it last went from unavailable to available
	Removed    bool
	Version    int64
	Available  bool `gorm:"->"` // from the copy of stock, read only
}

// Exists reports whether the wish is on the list.
func (i *Item) Exists() bool { return i.Version > 0 && !i.Removed }

// Wish puts it on the list and reports whether that changed anything.
func (i *Item) Wish(now time.Time) (created bool) {
	if i.Exists() {
		return false
	}
	i.WishedAt, i.NotifiedAt, i.Removed = now, nil, false
	i.Version++
	return true
}

// Remove takes it off the list.
func (i *Item) Remove() error {
	if !i.Exists() {
		return unknown(i.Customer, i.SKU)
	}
	i.Removed = true
	i.Version++
	return nil
}

func unknown(customer, sku string) error {
	return fault.New(fault.NotFound, "wish_unknown", "%s does not wish for %s", customer, sku)
}
