package stats

import (
	"context"

	"gorm.io/gorm"

	"quadrille/internal/platform/copies"
	"quadrille/internal/platform/db"
)

// store accesses stats' tables.
type store struct {
	db *gorm.DB
}

// Versions implements copies.Store.
func (s *store) Versions(ctx context.Context, ids []string) (map[string]int64, error) {
	return copies.Table[Order]{DB: s.db}.Versions(ctx, ids)
}

// Keep implements copies.Store. It replaces each order together with its lines. The foreign
// key deletes the lines of a removed order.
func (s *store) Keep(ctx context.Context, tx *gorm.DB, news copies.News[Order]) error {
	orders := copies.Table[Order]{DB: tx}
	if err := orders.Keep(ctx, tx, news); err != nil || len(news.Found) == 0 {
		return err
	}
	ids := make([]string, len(news.Found))
	for i, o := range news.Found {
		ids[i] = o.ID
	}
	// Read the versions again: they show which orders were written, and their rows are locked
	// now until tx ends.
	kept, err := orders.Versions(ctx, ids)
	if err != nil {
		return err
	}
	var written []string
	var lines []Line
	for _, o := range news.Found {
		if kept[o.ID] == o.Version {
			written, lines = append(written, o.ID), append(lines, o.Lines...)
		}
	}
	if err := tx.Delete(&Line{}, "order_id IN ?", written).Error; err != nil {
		return db.Wrap(err, "delete order lines")
	}
	return db.Wrap(tx.CreateInBatches(lines, copies.RowsAtOnce).Error, "write order lines")
}

// Orders lists up to limit copies after the order after.
func (s *store) Orders(ctx context.Context, after string, limit int) ([]Order, error) {
	var rows []Order
	err := s.db.WithContext(ctx).Where("id > ?", after).Order("id").Limit(limit).Find(&rows).Error
	return rows, db.Wrap(err, "list orders")
}

// Summary returns the figures of all orders.
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

// Daily returns the sales of each day between from and to, both inclusive. An empty day sets
// no bound.
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

// Top returns up to limit SKUs with the most units sold.
func (s *store) Top(ctx context.Context, limit int) ([]Top, error) {
	var rows []Top
	err := s.db.WithContext(ctx).Model(&Line{}).Joins("JOIN orders ON orders.id = order_lines.order_id").
		Where("orders.status IN ?", sold()).
		Select("order_lines.sku, MAX(order_lines.title) AS title, orders.currency, SUM(order_lines.units) AS units, SUM(order_lines.total_minor) AS minor").
		Group("order_lines.sku, orders.currency").Order("units DESC, sku, currency").Limit(limit).Scan(&rows).Error
	return rows, db.Wrap(err, "sum up SKUs")
}
