package app

import (
	"context"
	"slices"

	"gorm.io/gorm"

	"quadrille/internal/platform/ops"
	"quadrille/pkg/deadletter"
	"quadrille/pkg/fault"
)

// Stopped answers from the database of a service that does not run, as the service
// would.
type Stopped struct{ DB *gorm.DB }

// DeadLetters returns the first letters that f picks, up to limit.
func (s Stopped) DeadLetters(ctx context.Context, f ops.DeadFilter, limit int, _ *string) (ops.DeadPage, error) {
	const most = 500 // as ops.yaml has it
	states := []string{"", "all", deadletter.Open, deadletter.Retried, deadletter.Discarded}
	switch {
	case limit < 1 || limit > most:
		return ops.DeadPage{}, fault.New(fault.Malformed, "limit_invalid", "limit is 1 to %d", most)
	case !slices.Contains(states, f.State):
		return ops.DeadPage{}, fault.New(fault.Malformed, "state_invalid", "state is open, retried, discarded or all")
	}
	return deadPage(ctx, s.DB, f, 0, limit)
}

// DeadLetter returns one dead letter with its event.
func (s Stopped) DeadLetter(ctx context.Context, id int64) (ops.DeadLetter, error) {
	l, err := findDead(ctx, s.DB, id)
	if err != nil {
		return ops.DeadLetter{}, err
	}
	return wholeDead(l), nil
}
