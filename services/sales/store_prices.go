package sales

import (
	"context"
	"slices"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"quadrille/internal/platform/db"
	"quadrille/pkg/dbtx"
)

// Prices returns the copies that are kept of the SKUs, by SKU.
func (s *store) Prices(ctx context.Context, skus []string) (map[string]Price, error) {
	var rows []Price
	err := s.db.WithContext(ctx).Where("sku IN ?", skus).Find(&rows).Error
	prices := make(map[string]Price, len(rows))
	for _, p := range rows {
		prices[p.SKU] = p
	}
	return prices, db.Wrap(err, "read prices")
}

// offered returns the versions of the copies that are on offer, by SKU.
func (s *store) offered(ctx context.Context) (map[string]int64, error) {
	var rows []Price
	err := s.db.WithContext(ctx).Select("sku", "version").Where("withdrawn = ?", false).Find(&rows).Error
	versions := make(map[string]int64, len(rows))
	for _, p := range rows {
		versions[p.SKU] = p.Version
	}
	return versions, db.Wrap(err, "list offers")
}

// ListPrices lists up to limit copies after the SKU after; with skus, only theirs.
func (s *store) ListPrices(ctx context.Context, skus []string, after string, limit int) ([]Price, error) {
	q := s.db.WithContext(ctx).Where("sku > ?", after)
	if len(skus) > 0 {
		q = q.Where("sku IN ?", skus)
	}
	var rows []Price
	return rows, db.Wrap(q.Order("sku").Limit(limit).Find(&rows).Error, "list prices")
}

// KeepPrices keeps copies, outside of any reader.
func (s *store) KeepPrices(ctx context.Context, copies []Price) error {
	return dbtx.Run(s.db.WithContext(ctx), func(tx *gorm.DB) error { return s.keepPrices(tx, copies) })
}

// keepPrices writes the copies that are newer than what is kept, in SKU order.
func (s *store) keepPrices(tx *gorm.DB, copies []Price) error {
	if len(copies) == 0 {
		return nil
	}
	slices.SortFunc(copies, func(a, b Price) int { return strings.Compare(a.SKU, b.SKU) })
	for i := range copies {
		copies[i].UpdatedAt = s.now()
	}
	upsert := clause.OnConflict{
		Columns:   []clause.Column{{Name: "sku"}},
		DoUpdates: clause.AssignmentColumns([]string{"title", "price_minor", "currency", "version", "withdrawn", "updated_at"}),
		Where:     clause.Where{Exprs: []clause.Expression{gorm.Expr("prices.version < excluded.version")}},
	}
	return db.Wrap(tx.Clauses(upsert).CreateInBatches(copies, 500).Error, "keep prices")
}
