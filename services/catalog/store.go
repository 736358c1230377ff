package catalog

import (
	"context"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"quadrille/internal/platform/db"
	"quadrille/internal/shop/stockcopy"
	"quadrille/pkg/dbtx"
	"quadrille/pkg/events"
	"quadrille/pkg/outbox"
)

// store accesses catalog's tables. Its exported methods run their own transaction. Changes
// of a product and their outbox rows share a transaction.
type store struct {
	db  *gorm.DB
	now func() time.Time
}

// Change locks the product and calls change with it; a product that was never offered has
// version 0. If change returns true, Change writes the product and its event, which event
// makes from the SKU and the new version.
func (s *store) Change(ctx context.Context, sku string, change func(*Product) (changed bool, err error), event func(string, int64) events.Event) (p Product, err error) {
	err = dbtx.Run(s.db.WithContext(ctx), func(tx *gorm.DB) error {
		// Lock the stock copy first, as the consumer does. So a product offered while its
		// stock changes either sees the change or is updated by it. The lock on a SKU's copy
		// guards its product, too: products need no lock order of their own.
		stock, err := stockcopy.Lock(tx, sku)
		if err != nil {
			return err
		}
		p = Product{} // discard what a retried attempt left
		if err := tx.Limit(1).Find(&p, "sku = ?", sku).Error; err != nil {
			return db.Wrap(err, "read product")
		}
		p.SKU, p.Quantity = sku, stock.Quantity
		changed, err := change(&p)
		if err != nil || !changed {
			return err
		}
		upsert := clause.OnConflict{Columns: []clause.Column{{Name: "sku"}}, UpdateAll: true}
		if err := tx.Clauses(upsert).Create(&p).Error; err != nil {
			return db.Wrap(err, "write product")
		}
		return outbox.Append(ctx, tx, event(p.SKU, p.Version))
	})
	return p, err
}

// stockChanged raises the version of the products whose stock changed, because they show
// another quantity now, and appends an event for each. It runs in the consumer's
// transaction.
func (s *store) stockChanged(ctx context.Context, tx *gorm.DB, changes []stockcopy.Change) error {
	causes := make(map[string]events.Event, len(changes))
	skus := make([]string, len(changes))
	for i, c := range changes {
		skus[i], causes[c.SKU] = c.SKU, c.Cause
	}
	var moved []Product
	err := tx.Raw("UPDATE products SET version = version + 1, updated_at = ? WHERE sku IN ? AND NOT withdrawn RETURNING sku, version",
		s.now(), skus).Scan(&moved).Error
	if err != nil {
		return db.Wrap(err, "raise versions of products")
	}
	slices.SortFunc(moved, func(a, b Product) int { return strings.Compare(a.SKU, b.SKU) }) // RETURNING has no order
	news := make([]events.Event, len(moved))
	for i, p := range moved {
		news[i] = events.ProductChanged(p.SKU, p.Version).Stamp(events.CausedBy(ctx, causes[p.SKU]))
	}
	return outbox.Append(ctx, tx, news...)
}

// Product returns one product that is on offer.
func (s *store) Product(ctx context.Context, sku string) (Product, error) {
	var rows []Product
	err := s.offered(ctx).Where("products.sku = ?", sku).Limit(1).Find(&rows).Error
	if err == nil && len(rows) == 0 {
		return Product{}, unknown(sku)
	}
	if err != nil {
		return Product{}, db.Wrap(err, "read product")
	}
	return rows[0], nil
}

// Query selects products. Empty fields do not filter.
type Query struct {
	Text      string // contained in SKU, title or description; folded by Fold
	Available *bool
	SKUs      []string
}

// Products lists up to limit products after the SKU after.
func (s *store) Products(ctx context.Context, query Query, after string, limit int) ([]Product, error) {
	q := s.offered(ctx).Where("products.sku > ?", after)
	if query.Text != "" {
		q = q.Where("products.search LIKE ? ESCAPE '!'", containing(query.Text))
	}
	if query.Available != nil {
		q = q.Where("(COALESCE(stock.quantity, 0) > 0) = ?", *query.Available)
	}
	if len(query.SKUs) > 0 {
		q = q.Where("products.sku IN ?", query.SKUs)
	}
	var rows []Product
	return rows, db.Wrap(q.Order("products.sku").Limit(limit).Find(&rows).Error, "list products")
}

// containing returns a LIKE pattern that matches values with text in them, literally.
func containing(text string) string {
	return "%" + strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(text) + "%"
}

// offered returns a query of the products that are not withdrawn, each with its stock.
func (s *store) offered(ctx context.Context) *gorm.DB {
	return s.db.WithContext(ctx).Model(&Product{}).
		Select("products.*, COALESCE(stock.quantity, 0) AS quantity").
		Joins("LEFT JOIN stock ON stock.sku = products.sku").
		Where("NOT products.withdrawn")
}
