package heroku_test

import (
	"context"
	"fmt"
	"testing"
)

// late is a product that there is none of when customers come.
const late = "LATE"

// waiting returns the customers who wish for the product.
func waiting() []string { return []string{"ann", "bob", "cid"} }

func (c *customers) wishForLate(t *testing.T) {
	t.Helper()
	must(t, insist(t.Context(), func() error { return c.offer(t.Context(), late, "7.50") }))
	for _, customer := range waiting() {
		must(t, insist(t.Context(), func() error { _, _, err := c.wishlist.Wish(t.Context(), customer, late); return err }))
	}
}

// lateArrives has it delivered, and waits until catalog shows it and everybody who
// waits for it was told.
func (c *customers) lateArrives(t *testing.T) {
	t.Helper()
	must(t, insist(t.Context(), func() error { return c.receive(t.Context(), late, 3) }))
	eventually(t, "everybody hears of what has arrived", func(ctx context.Context) error {
		p, err := c.catalog.Product(ctx, late)
		if err != nil || p.Quantity != 3 {
			return fmt.Errorf("catalog shows %d: %w", p.Quantity, err)
		}
		for _, customer := range waiting() {
			wish, err := c.wishlist.Item(ctx, customer, late)
			if err != nil || !wish.Available || wish.NotifiedAt == nil {
				return fmt.Errorf("%s: %+v: %w", customer, wish, err)
			}
		}
		return nil
	})
}
