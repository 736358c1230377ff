package sales

import (
	"context"
	"slices"
	"strings"

	"gorm.io/gorm"

	"quadrille/internal/platform/copies"
	"quadrille/internal/platform/db"
	"quadrille/pkg/dbtx"
)

// Prices returns the copies of the SKUs, keyed by SKU. SKUs without a copy are absent.
func (s *store) Prices(ctx context.Context, skus []string) (map[string]Price, error) {
	return pricesIn(s.db.WithContext(ctx), skus)
}

func pricesIn(tx *gorm.DB, skus []string) (map[string]Price, error) {
	var rows []Price
	err := tx.Where("sku IN ?", skus).Find(&rows).Error
	prices := make(map[string]Price, len(rows))
	for _, p := range rows {
		prices[p.SKU] = p
	}
	return prices, db.Wrap(err, "read prices")
}

// Versions implements copies.Store. If skus is nil, it returns the versions of all copies
// that are on offer.
func (s *store) Versions(ctx context.Context, skus []string) (map[string]int64, error) {
	q := s.db
	if skus == nil {
		q = q.Where("withdrawn = ?", false)
	}
	return copies.Table[Price]{DB: q}.Versions(ctx, skus)
}

// ListPrices lists up to limit copies after the SKU after, of skus only where given.
func (s *store) ListPrices(ctx context.Context, skus []string, after string, limit int) ([]Price, error) {
	q := s.db.WithContext(ctx).Where("sku > ?", after)
	if len(skus) > 0 {
		q = q.Where("sku IN ?", skus)
	}
	var rows []Price
	return rows, db.Wrap(q.Order("sku").Limit(limit).Find(&rows).Error, "list prices")
}

// Keep implements copies.Store. It marks products that are gone as withdrawn.
func (s *store) Keep(ctx context.Context, tx *gorm.DB, news copies.News[Price]) error {
	rows := news.Found
	if len(news.Gone) > 0 {
		known, err := pricesIn(tx, news.Gone)
		if err != nil {
			return err
		}
		rows = slices.Clone(rows)
		for _, code := range news.Gone {
			gone := known[code]
			gone.SKU, gone.Version, gone.Withdrawn = code, news.Causes[code].Version, true
			rows = append(rows, gone)
		}
	}
	return s.keepPrices(ctx, tx, rows)
}

// KeepPrices writes copies in a transaction of its own. Consumers use Keep.
func (s *store) KeepPrices(ctx context.Context, rows []Price) error {
	return dbtx.Run(s.db.WithContext(ctx), func(tx *gorm.DB) error { return s.keepPrices(ctx, tx, rows) })
}

// keepPrices writes the copies that are newer than the stored ones, in the order of their
// SKUs, so that concurrent writers cannot deadlock.
func (s *store) keepPrices(ctx context.Context, tx *gorm.DB, rows []Price) error {
	slices.SortFunc(rows, func(a, b Price) int { return strings.Compare(a.SKU, b.SKU) })
	for i := range rows {
		rows[i].UpdatedAt = s.now()
	}
	return copies.Table[Price]{DB: tx}.Keep(ctx, tx, copies.News[Price]{Found: rows})
}
