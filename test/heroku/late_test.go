package heroku_test

import (
	"context"
	"fmt"
	"testing"

	"quadrille/test/harness/customers"
)

// late is a product that is out of stock at first.
const late = "LATE"

// waiting returns the customers who wish for the product.
func waiting() []string { return []string{"ann", "bob", "cid"} }

func wishForLate(t *testing.T, c *customers.Customers) {
	t.Helper()
	must(t, c.Offer(t.Context(), late, "7.50"))
	for _, customer := range waiting() {
		must(t, customers.Retry(t.Context(), func() error { _, _, err := c.Wishlist.Wish(t.Context(), customer, late); return err }))
	}
}

// lateArrives delivers the product, and waits until catalog shows it and wishlist has
// notified every waiting customer.
func lateArrives(t *testing.T, c *customers.Customers) {
	t.Helper()
	must(t, c.Receive(t.Context(), late, 3))
	eventually(t, "every waiting customer is notified", func(ctx context.Context) error {
		p, err := c.Catalog.Product(ctx, late)
		if err != nil || p.Quantity != 3 {
			return fmt.Errorf("catalog shows %d: %w", p.Quantity, err)
		}
		for _, customer := range waiting() {
			wish, err := c.Wishlist.Item(ctx, customer, late)
			if err != nil || !wish.Available || wish.NotifiedAt == nil {
				return fmt.Errorf("%s: %+v: %w", customer, wish, err)
			}
		}
		return nil
	})
}
