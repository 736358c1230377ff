package stockcopy

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"quadrille/internal/platform/db"
	"quadrille/pkg/sku"
)

// Copy is how much of a SKU inventory can promise, at inventory's version of it.
// At version 0 nothing is known of it: nobody has told yet, or inventory does not
// have it any more.
type Copy struct {
	SKU       string `gorm:"column:sku;primaryKey"`
	Quantity  int64
	Version   int64
	UpdatedAt time.Time
}

// TableName implements gorm's Tabler.
func (Copy) TableName() string { return "stock" }

// Lock reads a SKU's copy and holds it until tx ends, so that what is decided by
// it cannot be overtaken by a change of stock. Where there is none it begins one,
// since a row that is not there cannot be held: on PostgreSQL a change that
// brings the SKU's first copy waits for the row begun here, and the other way
// round.
func Lock(tx *gorm.DB, sku string) (Copy, error) {
	c := Copy{SKU: sku, UpdatedAt: db.Now()}
	if err := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&c).Error; err != nil {
		return c, db.Wrap(err, "begin stock copy")
	}
	err := tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).First(&c, "sku = ?", sku).Error
	return c, db.Wrap(err, "lock stock copy")
}

// List returns up to limit copies after the SKU after; with skus, which may be in either
// case, only theirs. It refuses a SKU that is malformed with a fault of kind Invalid.
func List(ctx context.Context, conn *gorm.DB, skus []string, after string, limit int) ([]Copy, error) {
	codes, err := sku.NormalizeAll(skus)
	if err != nil {
		return nil, err
	}
	q := conn.WithContext(ctx).Where("version > 0 AND sku > ?", after)
	if len(codes) > 0 {
		q = q.Where("sku IN ?", codes)
	}
	var rows []Copy
	return rows, db.Wrap(q.Order("sku").Limit(limit).Find(&rows).Error, "list stock copies")
}

// versions returns the versions of the copies that q selects, by SKU.
func versions(q *gorm.DB) (map[string]int64, error) {
	var rows []Copy
	err := q.Select("sku", "version").Where("version > 0").Find(&rows).Error
	known := make(map[string]int64, len(rows))
	for _, c := range rows {
		known[c.SKU] = c.Version
	}
	return known, db.Wrap(err, "read stock versions")
}
