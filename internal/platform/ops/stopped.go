package ops

import (
	"context"
	"slices"
	"strings"

	"gorm.io/gorm"

	"quadrille/internal/platform/rest"
	"quadrille/pkg/deadletter"
	"quadrille/pkg/fault"
	"quadrille/pkg/outbox"
	"quadrille/pkg/task"
)

// Stopped reads and changes the database of a service that is not running. Its methods
// give the same results as those of Client.
type Stopped struct{ DB *gorm.DB }

// DeadLetters returns the first letters that match f, at most limit. It ignores the cursor.
func (s Stopped) DeadLetters(ctx context.Context, f DeadFilter, limit int, _ *string) (DeadPage, error) {
	const maxLimit = 500 // as in ops.yaml
	states := append(deadletter.States(), "", "all")
	switch {
	case limit < 1 || limit > maxLimit:
		return DeadPage{}, fault.New(fault.Malformed, "limit_invalid", "limit is 1 to %d", maxLimit)
	case !slices.Contains(states, f.State):
		return DeadPage{}, fault.New(fault.Malformed, "state_invalid", "state is one of %s, or all", strings.Join(deadletter.States(), ", "))
	}
	return deadPage(ctx, s.DB, f, 0, limit)
}

// DeadLetter returns one dead letter with its event.
func (s Stopped) DeadLetter(ctx context.Context, id int64) (DeadLetter, error) {
	l, err := findDead(ctx, s.DB, id)
	if err != nil {
		return DeadLetter{}, err
	}
	return shownDead(ctx, s.DB, l)
}

// RefusedEvents returns the first refused events in a state, at most limit.
func (s Stopped) RefusedEvents(ctx context.Context, state string, limit int) (RefusedPage, error) {
	return refusedPage(ctx, s.DB, state, 0, limit)
}

// RefusedEvent returns one refused event with its content.
func (s Stopped) RefusedEvent(ctx context.Context, id int64) (RefusedEvent, error) {
	return wholeRefused(ctx, s.DB, id)
}

// RetryRefused marks one refused event as unsent. The service publishes it when it starts.
func (s Stopped) RetryRefused(ctx context.Context, id int64) error {
	return outbox.RetryRefused(ctx, s.DB, id)
}

// RetryAllRefused marks all open refused events as unsent and returns their number.
func (s Stopped) RetryAllRefused(ctx context.Context) (int64, error) {
	return outbox.RetryAllRefused(ctx, s.DB)
}

// DiscardRefused discards one refused event for a reason, which must not be empty.
func (s Stopped) DiscardRefused(ctx context.Context, id int64, reason string) error {
	return discardRefused(ctx, s.DB, id, reason)
}

// Tasks returns all tasks that the service ever had, also those that its present version no
// longer has.
func (s Stopped) Tasks(ctx context.Context) (Tasks, error) {
	rows, err := task.List(ctx, s.DB)
	return Tasks{Items: rest.Map(rows, taskModel)}, err
}
