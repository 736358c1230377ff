package stats

import (
	"context"

	"quadrille/internal/platform/db"
)

// Summary counts all orders.
func (s *store) Summary(ctx context.Context) (Summary, error) {
	var rows []struct {
		Status, Currency     string
		Orders, Units, Minor int64
	}
	err := s.db.WithContext(ctx).Model(&Order{}).
		Select("status, currency, COUNT(*) AS orders, SUM(units) AS units, SUM(total_minor) AS minor").
		Group("status, currency").Scan(&rows).Error
	all := Summary{Status: map[string]int64{}, Revenue: Revenue{}}
	for _, r := range rows {
		all.Orders += r.Orders
		all.Status[r.Status] += r.Orders
		if r.Status == Confirmed || r.Status == Shipped {
			all.Units += r.Units
			all.Revenue[r.Currency] += r.Minor
		}
	}
	return all, db.Wrap(err, "sum up orders")
}

// Daily returns the sales from one day to another, both included. An empty day sets no
// bound.
func (s *store) Daily(ctx context.Context, from, to string) ([]Daily, error) {
	q := s.db.WithContext(ctx).Model(&Order{}).Where("status IN ?", sold())
	if from != "" {
		q = q.Where("day >= ?", from)
	}
	if to != "" {
		q = q.Where("day <= ?", to)
	}
	var rows []Daily
	err := q.Select("day, currency, COUNT(*) AS orders, SUM(units) AS units, SUM(total_minor) AS minor").
		Group("day, currency").Order("day, currency").Scan(&rows).Error
	return rows, db.Wrap(err, "sum up days")
}

// Top returns the SKUs that were sold most, by units.
func (s *store) Top(ctx context.Context, limit int) ([]Top, error) {
	var rows []Top
	err := s.db.WithContext(ctx).Model(&Line{}).Joins("JOIN orders ON orders.id = order_lines.order_id").
		Where("orders.status IN ?", sold()).
		Select("order_lines.sku, MAX(order_lines.title) AS title, orders.currency, SUM(order_lines.units) AS units, SUM(order_lines.total_minor) AS minor").
		Group("order_lines.sku, orders.currency").Order("units DESC, sku, currency").Limit(limit).Scan(&rows).Error
	return rows, db.Wrap(err, "sum up SKUs")
}
