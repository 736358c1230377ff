package stockcopy

import (
	"context"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"quadrille/internal/db"
)

// Copy is how much of a SKU inventory can promise, at inventory's version of it.
type Copy struct {
	SKU       string `gorm:"column:sku;primaryKey"`
	Quantity  int64
	Version   int64
	UpdatedAt time.Time
}

// TableName is gorm's.
func (Copy) TableName() string { return "stock" }

// Lock reads a SKU's copy and holds it until tx ends, so that what is decided by
// it cannot be overtaken by a change of stock. A SKU that nobody has told of yet
// has quantity 0 and version 0.
func Lock(tx *gorm.DB, sku string) (Copy, error) {
	c := Copy{SKU: sku, UpdatedAt: db.Now()}
	if err := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&c).Error; err != nil {
		return c, db.Wrap(err, "begin stock copy")
	}
	err := tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).First(&c, "sku = ?", sku).Error
	return c, db.Wrap(err, "lock stock copy")
}

// List is up to limit copies after the SKU after; with skus, only theirs.
func List(ctx context.Context, conn *gorm.DB, skus []string, after string, limit int) ([]Copy, error) {
	q := conn.WithContext(ctx).Where("version > 0 AND sku > ?", after)
	if len(skus) > 0 {
		q = q.Where("sku IN ?", skus)
	}
	var rows []Copy
	return rows, db.Wrap(q.Order("sku").Limit(limit).Find(&rows).Error, "list stock copies")
}

func versions(q *gorm.DB, skus []string) (map[string]int64, error) {
	var rows []Copy
	err := q.Select("sku", "version").Where("sku IN ?", skus).Find(&rows).Error
	known := make(map[string]int64, len(rows))
	for _, c := range rows {
		known[c.SKU] = c.Version
	}
	return known, db.Wrap(err, "read stock versions")
}

// merge writes the copies that are newer than what is kept and returns those
// whose quantity changed. Rows are locked in SKU order.
func merge(tx *gorm.DB, fetched []Copy) ([]Change, error) {
	slices.SortFunc(fetched, func(a, b Copy) int { return strings.Compare(a.SKU, b.SKU) })
	skus := make([]string, len(fetched))
	for i, c := range fetched {
		skus[i] = c.SKU
	}
	var rows []Copy
	err := tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Where("sku IN ?", skus).Order("sku").Find(&rows).Error
	if err != nil {
		return nil, db.Wrap(err, "lock stock copies")
	}
	kept := make(map[string]Copy, len(rows))
	for _, c := range rows {
		kept[c.SKU] = c
	}
	var newer []Copy
	var changes []Change
	for _, c := range fetched {
		before := kept[c.SKU]
		if c.Version <= before.Version {
			continue
		}
		c.UpdatedAt = db.Now()
		newer = append(newer, c)
		if c.Quantity != before.Quantity {
			changes = append(changes, Change{SKU: c.SKU, Before: before.Quantity, After: c.Quantity})
		}
	}
	if len(newer) == 0 {
		return nil, nil
	}
	upsert := clause.OnConflict{
		Columns:   []clause.Column{{Name: "sku"}},
		DoUpdates: clause.AssignmentColumns([]string{"quantity", "version", "updated_at"}),
		Where:     clause.Where{Exprs: []clause.Expression{gorm.Expr("stock.version < excluded.version")}},
	}
	return changes, db.Wrap(tx.Clauses(upsert).CreateInBatches(newer, 500).Error, "write stock copies")
}
