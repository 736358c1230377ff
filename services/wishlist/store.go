package wishlist

import (
	"cmp"
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

// store accesses wishlist's tables. Its exported methods run their own transaction. Changes
// of a wish and their outbox rows share a transaction.
type store struct {
	db  *gorm.DB
	now func() time.Time
}

// Wish adds a wish to the list; created is false if it was there.
//
// It locks the SKU's stock copy, as the consumer does when it changes the stock. So a wish
// that is concurrent with a change of stock either commits first, and the change notifies
// it; or commits second, and sees the new stock. Without the lock, on PostgreSQL's READ
// COMMITTED, a wish could be written after the change had searched for wishes, by a
// statement that still saw the old stock. Its customer would never be notified.
func (s *store) Wish(ctx context.Context, customer, sku string) (item Item, created bool, err error) {
	err = s.change(ctx, customer, sku, func(tx *gorm.DB, i *Item) error {
		if created = i.Wish(s.now()); created {
			if err := save(tx, i); err != nil {
				return err
			}
			return outbox.Append(ctx, tx, events.ItemWished(customer, sku, i.Version))
		}
		return nil
	}, &item)
	return item, created, err
}

// Remove removes a wish from the list.
func (s *store) Remove(ctx context.Context, customer, sku string) error {
	return s.change(ctx, customer, sku, func(tx *gorm.DB, i *Item) error {
		if err := i.Remove(); err != nil {
			return err
		}
		return save(tx, i)
	}, &Item{})
}

func (s *store) change(ctx context.Context, customer, sku string, work func(*gorm.DB, *Item) error, item *Item) error {
	return dbtx.Run(s.db.WithContext(ctx), func(tx *gorm.DB) error {
		stock, err := stockcopy.Lock(tx, sku)
		if err != nil {
			return err
		}
		*item = Item{} // discard what a retried attempt left
		if err := tx.Limit(1).Find(item, "customer = ? AND sku = ?", customer, sku).Error; err != nil {
			return db.Wrap(err, "read wish")
		}
		item.Customer, item.SKU, item.Available = customer, sku, stock.Quantity > 0
		return work(tx, item)
	})
}

func save(tx *gorm.DB, i *Item) error {
	upsert := clause.OnConflict{Columns: []clause.Column{{Name: "customer"}, {Name: "sku"}}, UpdateAll: true}
	return db.Wrap(tx.Clauses(upsert).Create(i).Error, "write wish")
}

// stockChanged raises the version of the wishes whose SKU became available or unavailable,
// because they show another availability now, and notifies those whose SKU became
// available. It runs in the consumer's transaction, which holds the locks on the stock
// copies. These guard the wishes, too, so the wishes need no lock order of their own.
func (s *store) stockChanged(ctx context.Context, tx *gorm.DB, changes []stockcopy.Change) error {
	came, went := turned(changes)
	if err := raiseVersions(tx, went); err != nil {
		return err
	}
	notified, err := s.notify(tx, came)
	if err != nil {
		return err
	}
	causes := make(map[string]events.Event, len(changes))
	for _, c := range changes {
		causes[c.SKU] = c.Cause
	}
	news := make([]events.Event, len(notified))
	for i, n := range notified {
		news[i] = events.ItemAvailable(n.Customer, n.SKU, n.Version).Stamp(events.CausedBy(ctx, causes[n.SKU]))
	}
	return outbox.Append(ctx, tx, news...)
}

// turned returns the SKUs that became available and those that became unavailable. Most
// changes do neither.
func turned(changes []stockcopy.Change) (came, went []string) {
	for _, c := range changes {
		switch {
		case c.Before == 0 && c.After > 0:
			came = append(came, c.SKU)
		case c.Before > 0 && c.After == 0:
			went = append(went, c.SKU)
		}
	}
	return came, went
}

func raiseVersions(tx *gorm.DB, skus []string) error {
	if len(skus) == 0 {
		return nil
	}
	return db.Wrap(tx.Exec("UPDATE items SET version = version + 1 WHERE sku IN ? AND NOT removed", skus).Error, "raise versions of wishes")
}

// notify sets notified_at and raises the version of all wishes for skus. It returns them
// sorted by SKU and customer, because RETURNING has no order.
func (s *store) notify(tx *gorm.DB, skus []string) (notified []Item, err error) {
	if len(skus) == 0 {
		return nil, nil
	}
	err = tx.Raw("UPDATE items SET notified_at = ?, version = version + 1 WHERE sku IN ? AND NOT removed RETURNING customer, sku, version",
		s.now(), skus).Scan(&notified).Error
	slices.SortFunc(notified, func(a, b Item) int {
		return cmp.Or(strings.Compare(a.SKU, b.SKU), strings.Compare(a.Customer, b.Customer))
	})
	return notified, db.Wrap(err, "notify wishes")
}

// Item returns one wish that is on the list.
func (s *store) Item(ctx context.Context, customer, sku string) (Item, error) {
	var rows []Item
	err := s.wished(ctx, customer).Where("items.sku = ?", sku).Limit(1).Find(&rows).Error
	if err == nil && len(rows) == 0 {
		return Item{}, unknown(customer, sku)
	}
	if err != nil {
		return Item{}, db.Wrap(err, "read wish")
	}
	return rows[0], nil
}

// Items lists up to limit wishes of a customer after the SKU after.
func (s *store) Items(ctx context.Context, customer, after string, limit int) ([]Item, error) {
	var rows []Item
	err := s.wished(ctx, customer).Where("items.sku > ?", after).Order("items.sku").Limit(limit).Find(&rows).Error
	return rows, db.Wrap(err, "list wishes")
}

// wished returns a query of a customer's wishes, each with its availability.
func (s *store) wished(ctx context.Context, customer string) *gorm.DB {
	return s.db.WithContext(ctx).Model(&Item{}).
		Select("items.*, COALESCE(stock.quantity, 0) > 0 AS available").
		Joins("LEFT JOIN stock ON stock.sku = items.sku").
		Where("items.customer = ? AND NOT items.removed", customer)
}
