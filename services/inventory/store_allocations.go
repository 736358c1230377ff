package inventory

import (
	"context"
	"errors"
	"maps"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"quadrille/internal/platform/copies"
	"quadrille/internal/platform/db"
	"quadrille/pkg/events"
	"quadrille/pkg/fault"
	"quadrille/pkg/outbox"
)

// Keep implements copies.Store: it brings the allocations of orders to where the orders
// are now.
func (s *store) Keep(ctx context.Context, tx *gorm.DB, news copies.News[Order]) error {
	orders, causes := news.Found, news.Causes
	now := s.now()
	stock, err := lockStock(tx, codesOf(orders), now)
	if err != nil {
		return err
	}
	known, err := allocationsFor(tx, orders)
	if err != nil {
		return err
	}
	before := snapshot(stock)
	var changed []*Allocation
	var said []events.Event
	skuCauses := map[string]events.Event{}
	for _, o := range orders {
		a, seen := known[o.ID]
		if !seen {
			a = &Allocation{}
			known[o.ID] = a
		}
		if !a.Follow(o, stock) {
			continue
		}
		a.UpdatedAt = now
		changed = append(changed, a)
		said = append(said, announce(events.CausedBy(ctx, causes[o.ID]), a)...)
		for _, l := range a.Lines {
			skuCauses[l.SKU] = causes[o.ID]
		}
	}
	if err := saveAllocations(tx, changed); err != nil {
		return err
	}
	if err := outbox.Append(ctx, tx, said...); err != nil {
		return err
	}
	return s.saveStock(ctx, tx, stock.changedSince(before), skuCauses)
}

// announce returns the events of an allocation. Released and shipped stock shows in the
// events of the SKUs.
func announce(ctx context.Context, a *Allocation) []events.Event {
	switch a.Status {
	case Allocated:
		return []events.Event{events.OrderAllocated(a.OrderID, a.Version).Stamp(ctx)}
	case Rejected:
		return []events.Event{events.OrderShort(a.OrderID, a.Version).Stamp(ctx)}
	default:
		return nil
	}
}

func codesOf(orders []Order) []string {
	codes := map[string]bool{}
	for _, o := range orders {
		for _, l := range o.Lines {
			codes[l.SKU] = true
		}
	}
	return slices.Sorted(maps.Keys(codes))
}

func snapshot(stock Stock) map[string]SKU {
	copies := make(map[string]SKU, len(stock))
	for code, sku := range stock {
		copies[code] = *sku
	}
	return copies
}

func (s Stock) changedSince(before map[string]SKU) Stock {
	changed := Stock{}
	for code, sku := range s {
		if *sku != before[code] {
			changed[code] = sku
		}
	}
	return changed
}

// allocationsFor reads the existing allocations of the orders, by order ID.
func allocationsFor(tx *gorm.DB, orders []Order) (map[string]*Allocation, error) {
	ids := make([]string, len(orders))
	for i, o := range orders {
		ids[i] = o.ID
	}
	var rows []*Allocation
	err := tx.Preload("Lines", inSKUOrder).Where("order_id IN ?", ids).Find(&rows).Error
	byOrder := make(map[string]*Allocation, len(rows))
	for _, a := range rows {
		byOrder[a.OrderID] = a
	}
	return byOrder, db.Wrap(err, "read allocations")
}

// saveAllocations writes allocations and the lines of new ones.
func saveAllocations(tx *gorm.DB, changed []*Allocation) error {
	if len(changed) == 0 {
		return nil
	}
	var lines []Line
	for _, a := range changed {
		lines = append(lines, a.Lines...)
	}
	upsert := clause.OnConflict{Columns: []clause.Column{{Name: "order_id"}}, UpdateAll: true}
	if err := tx.Omit("Lines").Clauses(upsert).CreateInBatches(changed, 500).Error; err != nil {
		return db.Wrap(err, "save allocations")
	}
	if len(lines) == 0 {
		return nil
	}
	once := clause.OnConflict{DoNothing: true} // lines never change once written
	return db.Wrap(tx.Clauses(once).CreateInBatches(lines, 500).Error, "save allocation lines")
}

// Versions implements copies.Store: it returns the version up to which each order has been
// followed.
func (s *store) Versions(ctx context.Context, orders []string) (map[string]int64, error) {
	var rows []Allocation
	err := s.db.WithContext(ctx).Select("order_id", "order_version").Where("order_id IN ?", orders).Find(&rows).Error
	versions := make(map[string]int64, len(rows))
	for _, a := range rows {
		versions[a.OrderID] = a.OrderVersion
	}
	return versions, db.Wrap(err, "read allocation versions")
}

// Allocation returns the allocation of one order.
func (s *store) Allocation(ctx context.Context, order string) (Allocation, error) {
	var a Allocation
	err := s.db.WithContext(ctx).Preload("Lines", inSKUOrder).First(&a, "order_id = ?", order).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return a, fault.New(fault.NotFound, "allocation_unknown", "there is no allocation for order %s", order)
	}
	return a, db.Wrap(err, "read allocation")
}

// Allocations lists up to limit allocations after the order after, of orders
// only where given.
func (s *store) Allocations(ctx context.Context, orders []string, after string, limit int) ([]Allocation, error) {
	q := s.db.WithContext(ctx).Preload("Lines", inSKUOrder).Where("order_id > ?", after)
	if len(orders) > 0 {
		q = q.Where("order_id IN ?", orders)
	}
	var rows []Allocation
	return rows, db.Wrap(q.Order("order_id").Limit(limit).Find(&rows).Error, "list allocations")
}

func inSKUOrder(q *gorm.DB) *gorm.DB { return q.Order("sku") }
