package sales

import (
	"context"
	"errors"
	"iter"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"quadrille/internal/platform/db"
	"quadrille/pkg/dbtx"
	"quadrille/pkg/events"
	"quadrille/pkg/fault"
	"quadrille/pkg/outbox"
)

// store accesses sales' tables. Its exported methods run their own transaction. Changes of
// an order and their outbox rows share a transaction.
type store struct {
	db  *gorm.DB
	now func() time.Time
	// timeout is the time after which a placed order times out, reminder the time after which
	// a confirmed one is overdue; 0 means never.
	timeout, reminder time.Duration
}

// Place writes a new order, its event, its timer, and the response under its idempotency keys,
// in one round trip (docs/decisions/0018-an-order-in-one-round-trip.md). It writes nothing and
// returns errAnswered if one of the keys is taken, or errInFlight if another process is
// handling a request with one of them.
func (s *store) Place(ctx context.Context, o Order, keys []idempotencyKey, fingerprint string) error {
	// Keys first: a taken key fails the transaction before anything else is written.
	statements, err := claim(keys, fingerprint, o, s.db.Name())
	if err != nil {
		return err
	}
	placing := o.News().Stamp(ctx)
	news, err := outbox.Values(ctx, placing)
	if err != nil {
		return err
	}
	timers, err := s.timeoutOf(ctx, placing)
	if err != nil {
		return err
	}
	statements = append(statements, db.Insert("orders", orderColumns(), [][]any{o.values()})...)
	statements = append(statements, db.Insert("order_lines", lineColumns(), o.lineValues())...)
	statements = append(statements, db.Insert(outbox.Table, outbox.Columns(), news)...)
	statements = append(statements, timers...)
	return placed(db.Commit(ctx, s.db, statements))
}

func orderColumns() []string {
	return []string{"id", "external_id", "customer", "status", "currency", "total_minor", "version", "placed_at", "updated_at"}
}

func (o *Order) values() []any {
	return []any{o.ID, o.ExternalID, o.Customer, o.Status, o.Currency, o.TotalMinor, o.Version, o.PlacedAt, o.UpdatedAt}
}

func lineColumns() []string {
	return []string{"order_id", "n", "sku", "title", "quantity", "price_minor"}
}

func (o *Order) lineValues() [][]any {
	values := make([][]any, len(o.Lines))
	for i, l := range o.Lines {
		values[i] = []any{l.OrderID, l.N, l.SKU, l.Title, l.Quantity, l.PriceMinor}
	}
	return values
}

// Change locks an order and calls change with it. If change returns true, Change writes the
// order, its event and its timers.
func (s *store) Change(ctx context.Context, id string, change func(*Order) (bool, error)) (o Order, changed bool, err error) {
	err = dbtx.Run(s.db.WithContext(ctx), func(tx *gorm.DB) error {
		rows, err := lockOrders(tx, []string{id})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return unknown(id)
		}
		changed, err = change(&rows[0])
		o = rows[0]
		if err != nil || !changed {
			return err
		}
		return s.save(ctx, tx, rows, []events.Event{o.News().Stamp(ctx)})
	})
	return o, changed, err
}

func unknown(id string) error {
	return fault.New(fault.NotFound, "order_unknown", "there is no order %s", id)
}

// settle applies allocations to their orders within tx, the consumer's transaction. causes
// maps order IDs to the events that caused the change.
func (s *store) settle(ctx context.Context, tx *gorm.DB, allocations map[string]Allocation, causes map[string]events.Event) error {
	if len(allocations) == 0 {
		return nil
	}
	ids := make([]string, 0, len(allocations))
	for id := range allocations {
		ids = append(ids, id)
	}
	rows, err := lockOrders(tx, ids)
	if err != nil {
		return err
	}
	var changed []Order
	var news []events.Event
	for _, o := range rows {
		if o.Settle(allocations[o.ID], s.now()) {
			changed = append(changed, o)
			news = append(news, o.News().Stamp(events.CausedBy(ctx, causes[o.ID])))
		}
	}
	return s.save(ctx, tx, changed, news)
}

// save writes changed orders, their timers and their events, which are in the same order,
// within tx.
func (s *store) save(ctx context.Context, tx *gorm.DB, changed []Order, news []events.Event) error {
	if err := saveOrders(tx, changed); err != nil {
		return err
	}
	if err := s.setTimers(ctx, tx, changed, news); err != nil {
		return err
	}
	return outbox.Append(ctx, tx, news...)
}

// lockOrders reads and locks orders in the order of their IDs, so that concurrent changes
// cannot deadlock.
func lockOrders(tx *gorm.DB, ids []string) ([]Order, error) {
	var rows []Order
	err := tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).
		Preload("Lines", inOrder).Where("id IN ?", ids).Order("id").Find(&rows).Error
	return rows, db.Wrap(err, "lock orders")
}

// saveOrders writes changed orders. It writes lines of rejected orders only; others do not
// change.
func saveOrders(tx *gorm.DB, changed []Order) error {
	if len(changed) == 0 {
		return nil
	}
	var short []Line
	for _, o := range changed {
		if o.Status == Rejected {
			short = append(short, o.Lines...)
		}
	}
	upsert := clause.OnConflict{
		Columns:   []clause.Column{{Name: "id"}},
		DoUpdates: clause.AssignmentColumns([]string{"status", "reason", "version", "updated_at", "overdue_at"}),
	}
	if err := tx.Omit("Lines").Clauses(upsert).CreateInBatches(changed, 500).Error; err != nil {
		return db.Wrap(err, "save orders")
	}
	if len(short) == 0 {
		return nil
	}
	upsert = clause.OnConflict{
		Columns:   []clause.Column{{Name: "order_id"}, {Name: "n"}},
		DoUpdates: clause.AssignmentColumns([]string{"short"}),
	}
	return db.Wrap(tx.Clauses(upsert).CreateInBatches(short, 500).Error, "save order lines")
}

// stillPlaced returns the IDs of those orders that still wait for inventory.
func (s *store) stillPlaced(ctx context.Context, ids []string) (placed []string, err error) {
	err = s.db.WithContext(ctx).Model(&Order{}).Where("id IN ? AND status = ?", ids, Placed).Order("id").Pluck("id", &placed).Error
	return placed, db.Wrap(err, "find placed orders")
}

// everyPlaced iterates over all orders that wait for inventory, sorted by ID.
func (s *store) everyPlaced(ctx context.Context) iter.Seq2[Order, error] {
	return func(yield func(Order, error) bool) {
		const page = 500
		for after, n := "", page; n == page; {
			var rows []Order
			err := s.db.WithContext(ctx).Where("status = ? AND id > ?", Placed, after).Order("id").Limit(page).Find(&rows).Error
			if err != nil {
				yield(Order{}, db.Wrap(err, "list placed orders"))
				return
			}
			for _, o := range rows {
				if !yield(o, nil) {
					return
				}
				after = o.ID
			}
			n = len(rows)
		}
	}
}

// Order returns one order.
func (s *store) Order(ctx context.Context, id string) (Order, error) {
	var o Order
	err := s.db.WithContext(ctx).Preload("Lines", inOrder).First(&o, "id = ?", id).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return o, unknown(id)
	}
	return o, db.Wrap(err, "read order")
}

// Query selects orders. Empty fields do not filter.
type Query struct {
	Customer, Status, ExternalID string
	IDs                          []string
	Overdue                      *bool // whether the order is confirmed and overdue
	Newest                       bool  // newest first; otherwise oldest first
}

// Orders lists up to limit orders that follow the ID after. An empty after starts at the
// first order.
func (s *store) Orders(ctx context.Context, query Query, after string, limit int) ([]Order, error) {
	q := s.db.WithContext(ctx).Preload("Lines", inOrder).Order(clause.OrderByColumn{Column: clause.Column{Name: "id"}, Desc: query.Newest})
	switch {
	case after == "":
	case query.Newest:
		q = q.Where("id < ?", after)
	default:
		q = q.Where("id > ?", after)
	}
	for column, value := range map[string]string{"customer": query.Customer, "status": query.Status, "external_id": query.ExternalID} {
		if value != "" {
			q = q.Where(clause.Eq{Column: column, Value: value})
		}
	}
	if len(query.IDs) > 0 {
		q = q.Where("id IN ?", query.IDs)
	}
	if query.Overdue != nil {
		overdue := clause.Expr{SQL: "overdue_at IS NOT NULL AND status = 'confirmed'"}
		if *query.Overdue {
			q = q.Where(overdue)
		} else {
			q = q.Not(overdue)
		}
	}
	var rows []Order
	return rows, db.Wrap(q.Limit(limit).Find(&rows).Error, "list orders")
}

func inOrder(q *gorm.DB) *gorm.DB { return q.Order("order_id, n") }
