package inventory

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"quadrille/internal/platform/db"
	"quadrille/pkg/dbtx"
	"quadrille/pkg/events"
	"quadrille/pkg/fault"
	"quadrille/pkg/outbox"
)

// store accesses inventory's tables. Its exported methods run their own transaction.
// Changes of stock and their outbox rows share a transaction.
type store struct {
	db  *gorm.DB
	now func() time.Time
}

// Record applies a movement to the stock and returns the stored movement. A repeated
// movement changes nothing (created is false). A different movement with the same
// external ID gives a fault (Conflict).
func (s *store) Record(ctx context.Context, m Movement) (kept Movement, created bool, err error) {
	err = dbtx.Run(s.db.WithContext(ctx), func(tx *gorm.DB) error {
		m.MovedAt = s.now()
		codes := []string{m.SKU}
		if err := ensureSKUs(tx, codes, m.MovedAt); err != nil {
			return err
		}
		stock, err := lockStock(tx, codes, m.MovedAt)
		if err != nil {
			return err
		}
		kept, created, err = insertMovement(tx, m)
		if err != nil || !created {
			return err
		}
		if err := stock[m.SKU].Move(m); err != nil {
			return err
		}
		return s.saveStock(ctx, tx, stock, nil)
	})
	return kept, created, err
}

// insertMovement inserts m, or returns the movement stored before. The caller must have
// locked its SKU: if it were locked after the insert, whose foreign key takes a shared
// lock on the row, two movements of one SKU would deadlock.
func insertMovement(tx *gorm.DB, m Movement) (kept Movement, created bool, err error) {
	res := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&m)
	if res.Error != nil || res.RowsAffected == 1 {
		return m, res.Error == nil, db.Wrap(res.Error, "insert movement")
	}
	if err := tx.First(&kept, "kind = ? AND external_id = ?", m.Kind, m.ExternalID).Error; err != nil {
		return m, false, db.Wrap(err, "read movement")
	}
	if !kept.sameAs(m) {
		return kept, false, m.conflict()
	}
	return kept, false, nil
}

// ensureSKUs inserts missing SKUs without stock.
func ensureSKUs(tx *gorm.DB, codes []string, now time.Time) error {
	rows := make([]SKU, len(codes))
	for i, code := range codes {
		rows[i] = SKU{Code: code, UpdatedAt: now}
	}
	return db.Wrap(tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&rows).Error, "add SKUs")
}

// lockStock reads and locks SKUs. All code locks them in the order of their codes, so
// that concurrent changes cannot deadlock.
func lockStock(tx *gorm.DB, codes []string, now time.Time) (Stock, error) {
	var rows []*SKU
	err := tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).
		Where("code IN ?", codes).Order("code").Find(&rows).Error
	stock := make(Stock, len(rows))
	for _, r := range rows {
		r.UpdatedAt = now
		stock[r.Code] = r
	}
	return stock, db.Wrap(err, "lock stock")
}

// saveStock writes changed SKUs with their next version, and one outbox event for each.
// causes maps codes to the events that caused the changes.
func (s *store) saveStock(ctx context.Context, tx *gorm.DB, stock Stock, causes map[string]events.Event) error {
	rows := make([]*SKU, 0, len(stock))
	for _, sku := range stock {
		sku.Version++
		rows = append(rows, sku)
	}
	if len(rows) == 0 {
		return nil
	}
	slices.SortFunc(rows, func(a, b *SKU) int { return strings.Compare(a.Code, b.Code) })
	upsert := clause.OnConflict{Columns: []clause.Column{{Name: "code"}}, UpdateAll: true}
	if err := tx.Clauses(upsert).CreateInBatches(rows, 500).Error; err != nil {
		return db.Wrap(err, "save stock")
	}
	news := make([]events.Event, len(rows))
	for i, r := range rows {
		news[i] = events.SkuProcessed(r.Code, r.Version)
		if cause, ok := causes[r.Code]; ok {
			news[i] = news[i].Stamp(events.CausedBy(ctx, cause))
		}
	}
	return outbox.Append(ctx, tx, news...)
}

// SKU returns one SKU by its code.
func (s *store) SKU(ctx context.Context, code string) (SKU, error) {
	var sku SKU
	err := s.db.WithContext(ctx).First(&sku, "code = ? AND version > 0", code).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return sku, fault.New(fault.NotFound, "sku_unknown", "there is no SKU %s", code)
	}
	return sku, db.Wrap(err, "read SKU")
}

// SKUs lists up to limit SKUs after the code after, of codes only where given.
func (s *store) SKUs(ctx context.Context, codes []string, after string, limit int) ([]SKU, error) {
	q := s.db.WithContext(ctx).Where("version > 0 AND code > ?", after)
	if len(codes) > 0 {
		q = q.Where("code IN ?", codes)
	}
	var rows []SKU
	return rows, db.Wrap(q.Order("code").Limit(limit).Find(&rows).Error, "list SKUs")
}
