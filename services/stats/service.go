package stats

import (
	"context"
	"time"

	"quadrille/pkg/fault"
)

// Service implements the operations of stats. Its methods are safe for concurrent use. They
// return faults, or errors of the database.
type Service struct {
	store *store
}

// Summary returns the figures of all orders.
func (s *Service) Summary(ctx context.Context) (Summary, error) { return s.store.Summary(ctx) }

// Daily returns the sales of each day between from and to (YYYY-MM-DD, UTC), both inclusive.
// An empty day sets no bound.
func (s *Service) Daily(ctx context.Context, from, to string) ([]Daily, error) {
	if err := checkDays(from, to); err != nil {
		return nil, err
	}
	return s.store.Daily(ctx, from, to)
}

// checkDays returns a fault (Invalid) that names each invalid day, or that from comes after
// to.
func checkDays(from, to string) error {
	invalid := fault.New(fault.Invalid, "day_invalid", "a day must be a calendar date in the form YYYY-MM-DD")
	for _, p := range []struct{ name, day string }{{"from", from}, {"to", to}} {
		if _, err := time.Parse(time.DateOnly, p.day); p.day != "" && err != nil {
			invalid = invalid.With("#/query/"+p.name, "%.20q is not a calendar date", p.day)
		}
	}
	if len(invalid.Fields) > 0 {
		return invalid
	}
	if from != "" && to != "" && from > to {
		return fault.New(fault.Invalid, "days_reversed", "from %s comes after to %s", from, to).
			With("#/query/from", "must not come after to")
	}
	return nil
}

// Top returns up to limit SKUs with the most units sold.
func (s *Service) Top(ctx context.Context, limit int) ([]Top, error) { return s.store.Top(ctx, limit) }

// Orders lists up to limit copies after the order after.
func (s *Service) Orders(ctx context.Context, after string, limit int) ([]Order, error) {
	return s.store.Orders(ctx, after, limit)
}
