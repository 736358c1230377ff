package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"quadrille/internal/platform/ops"
	"quadrille/pkg/deadletter"
	"quadrille/pkg/fault"
)

// groupAtOnce is how many letters one request deals with: each retry may call
// others back, and a request has a deadline.
const groupAtOnce = 100

func (i *instance) retryGroup(c echo.Context) error {
	return i.eachDead(c, func(ctx context.Context, l deadletter.Letter, _ ops.GroupRequest) error { return i.retry(ctx, l) })
}

func (i *instance) discardGroup(c echo.Context) error {
	return i.eachDead(c, func(ctx context.Context, l deadletter.Letter, s ops.GroupRequest) error {
		return deadFault(deadletter.Discard(ctx, i.db, l.ID, s.Reason))
	})
}

// eachDead does something with the next letters of a selection. What is away for
// one letter is away for the rest: that ends it, so that it can be repeated.
func (i *instance) eachDead(c echo.Context, do func(context.Context, deadletter.Letter, ops.GroupRequest) error) error {
	var s ops.GroupRequest
	if err := json.NewDecoder(c.Request().Body).Decode(&s); err != nil {
		return fmt.Errorf("read selection: %w", err) // the document was checked before
	}
	ctx := c.Request().Context()
	f := deadletter.Filter{State: deadletter.Open, Stream: s.Stream, Type: s.Type, Error: s.Error}
	letters, err := deadletter.List(ctx, i.db, f, s.After, groupAtOnce)
	if err != nil {
		return err
	}
	var result ops.GroupResult
	for _, l := range letters {
		err := do(ctx, l, s)
		var said *fault.Fault
		switch {
		case err == nil:
			result.Done++
		case fault.Is(err, fault.Unavailable) || !errors.As(err, &said):
			return err
		default:
			result.Failed++
		}
	}
	if len(letters) == groupAtOnce {
		result.After = &letters[len(letters)-1].ID
	}
	return c.JSON(http.StatusOK, result)
}
