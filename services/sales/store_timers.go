package sales

import (
	"context"

	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/pkg/events"
	"quadrille/pkg/timer"
)

// The kinds of an order's timers.
const (
	orderTimeout = "order_timeout" // while the order is placed
	shipReminder = "ship_reminder" // while the order is confirmed and not overdue
)

// timerHandlers returns the handlers of the timers that are in use. Timers that were set
// while another one was in use stay until it is in use again.
func (s *store) timerHandlers() map[string]timer.Handler {
	handlers := map[string]timer.Handler{}
	if s.timeout > 0 {
		handlers[orderTimeout] = s.elapsed(func(o *Order) bool { return o.TimeOut(s.now()) })
	}
	if s.reminder > 0 {
		handlers[shipReminder] = s.elapsed(func(o *Order) bool { return o.Remind(s.now()) })
	}
	return handlers
}

// elapsed returns a handler that calls change with each order of the due timers, and writes
// the orders that it changed. The order's status decides, not the timer: the order may have
// changed while the timer waited for its lock.
func (s *store) elapsed(change func(*Order) bool) timer.Handler {
	return func(ctx context.Context, tx *gorm.DB, due []timer.Timer) error {
		timers := make(map[string]timer.Timer, len(due))
		ids := make([]string, len(due))
		for i, t := range due {
			ids[i], timers[t.Subject] = t.Subject, t
		}
		rows, err := lockOrders(tx, ids)
		if err != nil {
			return err
		}
		var changed []Order
		var news []events.Event
		for _, o := range rows {
			if change(&o) {
				changed = append(changed, o)
				news = append(news, o.News().Stamp(timers[o.ID].Context(ctx)))
			}
		}
		return s.save(ctx, tx, changed, news)
	}
}

// timeoutOf returns the statement that sets the timer of a new order, or none if orders do
// not time out.
func (s *store) timeoutOf(ctx context.Context, placing events.Event) ([]db.Statement, error) {
	if s.timeout == 0 {
		return nil, nil
	}
	sql, args, err := timer.Insert(ctx, s.db.Name(), timer.Since(placing, orderTimeout, s.timeout))
	return []db.Statement{{SQL: sql, Args: args}}, err
}

// setTimers sets and cancels timers within tx, as the new statuses of orders require. news
// has the event of each change, in the order of changed.
func (s *store) setTimers(ctx context.Context, tx *gorm.DB, changed []Order, news []events.Event) error {
	var settled, closed []string
	var reminders []timer.Timer
	for i, o := range changed {
		settled = append(settled, o.ID)
		switch {
		case o.Status != Confirmed:
			closed = append(closed, o.ID)
		case o.OverdueAt == nil && s.reminder > 0:
			reminders = append(reminders, timer.Since(news[i], shipReminder, s.reminder))
		}
	}
	if err := timer.Cancel(ctx, tx, orderTimeout, settled...); err != nil {
		return err
	}
	if err := timer.Cancel(ctx, tx, shipReminder, closed...); err != nil {
		return err
	}
	return timer.Set(ctx, tx, reminders...)
}
