package wishlist

import (
	"time"

	"quadrille/pkg/fault"
)

// Item is a customer's wish for a SKU. A removed wish is kept, so that its version does not
// fall when the customer adds it again.
type Item struct {
	Customer   string `gorm:"primaryKey"`
	SKU        string `gorm:"column:sku;primaryKey"`
	WishedAt   time.Time
	NotifiedAt *time.Time // when the SKU last became available
	Removed    bool
	Version    int64
	Available  bool `gorm:"->"` // from the copy of stock, read only
}

// Exists reports whether the wish is on the list.
func (i *Item) Exists() bool { return i.Version > 0 && !i.Removed }

// Wish adds the item to the list and reports whether it was not there before.
func (i *Item) Wish(now time.Time) (created bool) {
	if i.Exists() {
		return false
	}
	i.WishedAt, i.NotifiedAt, i.Removed = now, nil, false
	i.Version++
	return true
}

// Remove removes the item from the list. A missing item gives a fault (NotFound).
func (i *Item) Remove() error {
	if !i.Exists() {
		return unknown(i.Customer, i.SKU)
	}
	i.Removed = true
	i.Version++
	return nil
}

func unknown(customer, sku string) error {
	return fault.New(fault.NotFound, "wish_unknown", "%s is not on the wishlist of %s", sku, customer)
}
