package stockcopy

import (
	"slices"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"quadrille/internal/platform/db"
)

// rowsAtOnce is how many copies one statement writes at the most.
const rowsAtOnce = 500

// merge writes the copies that are newer than what is kept and returns those
// whose quantity changed, in SKU order.
func merge(tx *gorm.DB, fetched []Copy) ([]Change, error) {
	if len(fetched) == 0 {
		return nil, nil
	}
	slices.SortFunc(fetched, func(a, b Copy) int { return strings.Compare(a.SKU, b.SKU) })
	kept, err := lockAll(tx, fetched)
	if err != nil {
		return nil, err
	}
	newer, changes := compare(kept, fetched)
	return changes, write(tx, newer)
}

// lockAll reads what is kept of copies, by SKU. Rows are locked in SKU order.
func lockAll(tx *gorm.DB, copies []Copy) (map[string]Copy, error) {
	skus := make([]string, len(copies))
	for i, c := range copies {
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

// compare picks the copies that are newer than those kept, and what changes with
// them.
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

func write(tx *gorm.DB, copies []Copy) error {
	if len(copies) == 0 {
		return nil
	}
	upsert := clause.OnConflict{
		Columns:   []clause.Column{{Name: "sku"}},
		DoUpdates: clause.AssignmentColumns([]string{"quantity", "version", "updated_at"}),
		Where:     clause.Where{Exprs: []clause.Expression{gorm.Expr("stock.version < excluded.version OR excluded.version = 0")}},
	}
	return db.Wrap(tx.Clauses(upsert).CreateInBatches(copies, rowsAtOnce).Error, "write stock copies")
}
