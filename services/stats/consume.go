package stats

import (
	"fmt"
	"time"

	"quadrille/internal/shop/ordercopy"
	"quadrille/pkg/money"
	salesclient "quadrille/services/sales/client"
)

// orderCopies consumes sales' stream. It keeps stats' copies of orders.
func orderCopies(s *store, sales ordercopy.Source) *ordercopy.Copies[Order] {
	return ordercopy.New(sales, s, orderOf)
}

func orderOf(o salesclient.Order) (Order, error) {
	total, err := money.Parse(o.Total.Amount, o.Total.Currency)
	if err != nil {
		return Order{}, fmt.Errorf("total of order %s: %w", o.Id, err)
	}
	copied := Order{
		ID: o.Id, Status: string(o.Status), Currency: total.Currency, TotalMinor: total.Minor,
		Day: o.PlacedAt.UTC().Format(time.DateOnly), PlacedAt: o.PlacedAt.UTC(), Version: o.Version,
	}
	for _, l := range o.Lines {
		price, err := money.Parse(l.Price.Amount, l.Price.Currency)
		if err != nil {
			return Order{}, fmt.Errorf("price of %s in order %s: %w", l.Sku, o.Id, err)
		}
		copied.Units += l.Quantity
		copied.Lines = append(copied.Lines, Line{OrderID: o.Id, SKU: l.Sku, Title: l.Title, Units: l.Quantity, TotalMinor: price.Minor * l.Quantity})
	}
	return copied, nil
}
