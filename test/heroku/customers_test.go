package heroku_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"quadrille/test/harness/customers"
)

// newCustomers returns customers who know only the public address of the shop.
func newCustomers(t *testing.T, hc *http.Client) *customers.Customers {
	t.Helper()
	return customers.New(t, customers.Config{
		URL: func(service string) string {
			if service == "stats" {
				return public + "/api/v1/stats"
			}
			return public + "/api/v1"
		},
		HTTP: hc, Plenty: 8, Scarce: 2, ScarceQuantity: 20,
		Buyers: 20, MaxLines: 3, MaxQuantity: 2, Pause: 30 * time.Millisecond, Timeout: 2 * waitLimit,
	})
}

// catalogAnswers returns nil if catalog answers.
func catalogAnswers(ctx context.Context, c *customers.Customers) error {
	_, err := c.Catalog.Products(ctx, []string{customers.SKU(0)})
	return err
}

// answers returns a check that sends one request to every service.
func answers(c *customers.Customers) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := catalogAnswers(ctx, c); err != nil {
			return err
		}
		if _, err := c.Inventory.SKUs(ctx, []string{customers.SKU(0)}); err != nil {
			return err
		}
		for _, err := range c.Wishlist.Items(ctx, "ann") {
			if err != nil {
				return err
			}
			break // one page is enough
		}
		if _, err := c.Sales.Orders(ctx, []string{uuid.Nil.String()}); err != nil {
			return err
		}
		_, err := c.Stats.Summary(ctx)
		return err
	}
}

// awaitAnswers waits until n more orders are answered.
func awaitAnswers(t *testing.T, c *customers.Customers, n int) {
	t.Helper()
	_, before, _ := c.Counts()
	eventually(t, "orders continue", func(context.Context) error {
		if _, now, _ := c.Counts(); now < before+n {
			return errNotYet
		}
		return nil
	})
}
