package stockcopy

import (
	"context"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"quadrille/internal/platform/copies"
	"quadrille/internal/platform/db"
	"quadrille/pkg/sku"
)

// Copy is a copy of a SKU: the quantity that inventory can still reserve, at inventory's
// version of the SKU. At version 0 the SKU is unknown: no event has arrived yet, or inventory
// no longer has it.
type Copy struct {
	SKU       string `gorm:"column:sku;primaryKey"`
	Quantity  int64
	Version   int64
	UpdatedAt time.Time
}

// TableName implements gorm's Tabler.
func (Copy) TableName() string { return "stock" }

// Lock reads a SKU's copy and locks it until tx ends, so that the stock cannot change before
// the caller's decision commits. If there is no copy, it inserts one at version 0, because a
// missing row cannot be locked: on PostgreSQL, a transaction that inserts the SKU's first
// copy waits for that row, and Lock waits for such a transaction.
func Lock(tx *gorm.DB, sku string) (Copy, error) {
	c := Copy{SKU: sku, UpdatedAt: db.Now()}
	if err := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&c).Error; err != nil {
		return c, db.Wrap(err, "insert stock copy")
	}
	err := tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).First(&c, "sku = ?", sku).Error
	return c, db.Wrap(err, "lock stock copy")
}

// List returns up to limit copies after the SKU after, of skus only where given. skus may be
// in either case. A malformed SKU gives a fault (Invalid).
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

// store implements copies.Store.
type store struct {
	db      *gorm.DB
	changed Changed
}

// Versions implements copies.Store.
func (s *store) Versions(ctx context.Context, skus []string) (map[string]int64, error) {
	return copies.Table[Copy]{DB: s.db.Where("version > 0")}.Versions(ctx, skus)
}

// Keep implements copies.Store. It writes the copies that are newer than the stored ones and
// calls changed with those whose quantity changed. It sets copies that are gone to version 0.
func (s *store) Keep(ctx context.Context, tx *gorm.DB, news copies.News[Copy]) error {
	fetched := slices.Clone(news.Found)
	for _, sku := range news.Gone {
		fetched = append(fetched, Copy{SKU: sku})
	}
	slices.SortFunc(fetched, func(a, b Copy) int { return strings.Compare(a.SKU, b.SKU) })
	kept, err := lockAll(tx, fetched)
	if err != nil {
		return err
	}
	newer, changes := compare(kept, fetched)
	if err := write(tx, newer); err != nil || len(changes) == 0 {
		return err
	}
	for i, c := range changes {
		changes[i].Cause = news.Causes[c.SKU]
	}
	return s.changed(ctx, tx, changes)
}

// lockAll reads and locks the stored copies, in the order of their SKUs, so that concurrent
// transactions cannot deadlock. It returns them keyed by SKU.
func lockAll(tx *gorm.DB, fetched []Copy) (map[string]Copy, error) {
	skus := make([]string, len(fetched))
	for i, c := range fetched {
		skus[i] = c.SKU
	}
	var rows []Copy
	err := tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Where("sku IN ?", skus).Order("sku").Find(&rows).Error
	kept := make(map[string]Copy, len(rows))
	for _, c := range rows {
		kept[c.SKU] = c
	}
	return kept, db.Wrap(err, "lock stock copies")
}

// compare returns the fetched copies that are newer than the stored ones, and the changes of
// quantity that they bring.
func compare(kept map[string]Copy, fetched []Copy) (newer []Copy, changes []Change) {
	now := db.Now()
	for _, c := range fetched {
		before := kept[c.SKU]
		if gone := c.Version == 0 && before.Version > 0; !gone && c.Version <= before.Version {
			continue
		}
		c.UpdatedAt = now
		newer = append(newer, c)
		if c.Quantity != before.Quantity {
			changes = append(changes, Change{SKU: c.SKU, Before: before.Quantity, After: c.Quantity})
		}
	}
	return newer, changes
}

func write(tx *gorm.DB, rows []Copy) error {
	if len(rows) == 0 {
		return nil
	}
	upsert := clause.OnConflict{
		Columns:   []clause.Column{{Name: "sku"}},
		DoUpdates: clause.AssignmentColumns([]string{"quantity", "version", "updated_at"}),
		Where:     clause.Where{Exprs: []clause.Expression{gorm.Expr("stock.version < excluded.version OR excluded.version = 0")}},
	}
	return db.Wrap(tx.Clauses(upsert).CreateInBatches(rows, copies.RowsAtOnce).Error, "write stock copies")
}
