package stats

import (
	"context"
	"slices"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"quadrille/internal/platform/db"
)

// store keeps stats' rows.
type store struct {
	db *gorm.DB
}

// rowsAtOnce is how many rows one statement writes at the most.
const rowsAtOnce = 500

// versions returns the versions of the copies of the orders named, by ID; of all where
// ids is nil.
func (s *store) versions(ctx context.Context, ids []string) (map[string]int64, error) {
	q := s.db.WithContext(ctx)
	if ids != nil {
		q = q.Where("id IN ?", ids)
	}
	return readVersions(q)
}

func readVersions(q *gorm.DB) (map[string]int64, error) {
	var rows []Order
	err := q.Select("id", "version").Find(&rows).Error
	known := make(map[string]int64, len(rows))
	for _, o := range rows {
		known[o.ID] = o.Version
	}
	return known, db.Wrap(err, "read versions")
}

// keep writes the orders that are newer than what is kept, each whole and in the
// order of their IDs, and removes those that are gone.
func (s *store) keep(tx *gorm.DB, orders []Order, gone []string) error {
	if err := remove(tx, gone); err != nil || len(orders) == 0 {
		return err
	}
	slices.SortFunc(orders, func(a, b Order) int { return strings.Compare(a.ID, b.ID) })
	upsert := clause.OnConflict{
		Columns:   []clause.Column{{Name: "id"}},
		DoUpdates: clause.AssignmentColumns([]string{"status", "currency", "total_minor", "units", "day", "placed_at", "version"}),
		Where:     clause.Where{Exprs: []clause.Expression{gorm.Expr("orders.version < excluded.version")}},
	}
	if err := tx.Omit("Lines").Clauses(upsert).CreateInBatches(orders, rowsAtOnce).Error; err != nil {
		return db.Wrap(err, "keep orders")
	}
	return keepLines(tx, orders)
}

// remove takes orders away; their lines go with them.
func remove(tx *gorm.DB, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	return db.Wrap(tx.Delete(&Order{}, "id IN ?", ids).Error, "remove orders")
}

// keepLines writes the lines of those orders that were kept. Which these are can
// only be known now: what the upsert met it holds until tx ends.
func keepLines(tx *gorm.DB, orders []Order) error {
	kept, err := readVersions(tx.Where("id IN ?", idsOf(orders)))
	if err != nil {
		return err
	}
	overtaken := func(o Order) bool { return kept[o.ID] != o.Version }
	orders = slices.DeleteFunc(orders, overtaken)
	if err := tx.Delete(&Line{}, "order_id IN ?", idsOf(orders)).Error; err != nil {
		return db.Wrap(err, "remove order lines")
	}
	var lines []Line
	for _, o := range orders {
		lines = append(lines, o.Lines...)
	}
	return db.Wrap(tx.CreateInBatches(lines, rowsAtOnce).Error, "keep order lines")
}

func idsOf(orders []Order) []string {
	ids := make([]string, len(orders))
	for i, o := range orders {
		ids[i] = o.ID
	}
	return ids
}

// Orders lists up to limit copies after the order after.
func (s *store) Orders(ctx context.Context, after string, limit int) ([]Order, error) {
	var rows []Order
	err := s.db.WithContext(ctx).Where("id > ?", after).Order("id").Limit(limit).Find(&rows).Error
	return rows, db.Wrap(err, "list orders")
}
