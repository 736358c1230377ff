package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"
	"gorm.io/gorm"

	"quadrille/internal/platform/ops"
	"quadrille/internal/platform/rest"
	"quadrille/pkg/bus"
	"quadrille/pkg/deadletter"
	"quadrille/pkg/fault"
)

// deadRoutes are the endpoints for events that could not be handled. They work on
// every instance, whichever reads.
func (i *instance) deadRoutes(e *echo.Echo) {
	e.GET("/dead-letters", i.listDead)
	e.POST("/dead-letters/retry", i.retryGroup)
	e.POST("/dead-letters/discard", i.discardGroup)
	e.GET("/dead-letters/:id", i.getDead)
	e.DELETE("/dead-letters/:id", i.discardDead)
	e.POST("/dead-letters/:id/retry", i.retryDead)
}

func deadModel(l deadletter.Letter) ops.DeadLetter {
	return ops.DeadLetter{
		ID: l.ID, Subscriber: l.Subscriber, Stream: l.Stream, Position: l.Position, EventID: l.EventID,
		Type: l.Type, Subject: l.Subject, Error: l.Error, Attempts: l.Attempts, FirstAt: l.FirstAt.UTC(), LastAt: l.LastAt.UTC(),
		State: l.State, Reason: l.Reason, ClosedAt: l.ClosedAt,
	}
}

// wholeDead returns a letter with what came.
func wholeDead(l deadletter.Letter) ops.DeadLetter {
	d := deadModel(l)
	if json.Valid(l.Body) && bytes.HasPrefix(bytes.TrimSpace(l.Body), []byte("{")) {
		d.Event = l.Body
	} else {
		d.Body = l.Body
	}
	return d
}

const deadCursor = "dead-letters"

func (i *instance) listDead(c echo.Context) error {
	ctx, cursor := c.Request().Context(), c.QueryParam("after")
	after, err := deadAfter(cursor)
	if err != nil {
		return err
	}
	limit := rest.DefaultLimit
	if asked := c.QueryParam("limit"); asked != "" {
		if limit, err = strconv.Atoi(asked); err != nil {
			return fault.New(fault.Malformed, "limit_invalid", "limit is no number")
		}
	}
	f := ops.DeadFilter{State: c.QueryParam("state"), Stream: c.QueryParam("stream"), Type: c.QueryParam("type"), Error: c.QueryParam("error")}
	page, err := deadPage(ctx, i.db, f, after, limit)
	if err != nil {
		return err
	}
	if page.Next != nil {
		c.Response().Header().Set("Link", *rest.Link(ctx, page.Next))
	}
	return c.JSON(http.StatusOK, page)
}

func deadAfter(cursor string) (int64, error) {
	key, err := rest.DecodeCursor(deadCursor, &cursor)
	if err != nil || key == "" {
		return 0, err
	}
	after, err := strconv.ParseInt(key, 10, 64)
	if err != nil {
		return 0, fault.New(fault.Malformed, "cursor_invalid", "this is no cursor of the dead letters")
	}
	return after, nil
}

// pickedBy converts a filter of the API to a filter of the table.
func pickedBy(f ops.DeadFilter) deadletter.Filter {
	switch f.State {
	case "":
		f.State = deadletter.Open
	case "all":
		f.State = ""
	}
	return deadletter.Filter{State: f.State, Stream: f.Stream, Type: f.Type, Error: f.Error}
}

func deadPage(ctx context.Context, conn *gorm.DB, picks ops.DeadFilter, after int64, limit int) (ops.DeadPage, error) {
	f := pickedBy(picks)
	letters, err := deadletter.List(ctx, conn, f, after, limit+1)
	if err != nil {
		return ops.DeadPage{}, err
	}
	groups, err := deadletter.Groups(ctx, conn, f)
	if err != nil {
		return ops.DeadPage{}, err
	}
	page := ops.DeadPage{Groups: rest.Map(groups, func(g deadletter.Group) ops.DeadGroup { return ops.DeadGroup(g) })}
	if page.Total, err = deadletter.Count(ctx, conn, f); err != nil {
		return ops.DeadPage{}, err
	}
	letters, page.Next = rest.Page(deadCursor, letters, limit, func(l deadletter.Letter) string { return strconv.FormatInt(l.ID, 10) })
	page.Items = rest.Map(letters, deadModel)
	return page, nil
}

// findDead returns the letter that the path names.
func (i *instance) findDead(c echo.Context) (deadletter.Letter, error) {
	id, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil {
		return deadletter.Letter{}, fault.New(fault.Malformed, "id_invalid", "a dead letter's ID is a number")
	}
	return findDead(c.Request().Context(), i.db, id)
}

func findDead(ctx context.Context, conn *gorm.DB, id int64) (deadletter.Letter, error) {
	l, err := deadletter.Find(ctx, conn, id)
	return l, deadFault(err)
}

// deadFault says to the caller what went wrong.
func deadFault(err error) error {
	switch {
	case errors.Is(err, deadletter.ErrNotFound):
		return fault.New(fault.NotFound, "dead_letter_unknown", "there is no such dead letter")
	case errors.Is(err, deadletter.ErrClosed):
		return fault.New(fault.Conflict, "dead_letter_closed", "it was retried or discarded before")
	}
	return err
}

func (i *instance) getDead(c echo.Context) error {
	l, err := i.findDead(c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wholeDead(l))
}

func (i *instance) discardDead(c echo.Context) error {
	l, err := i.findDead(c)
	if err != nil {
		return err
	}
	if err := deadletter.Discard(c.Request().Context(), i.db, l.ID, c.QueryParam("reason")); err != nil {
		return deadFault(err)
	}
	return i.getDead(c)
}

func (i *instance) retryDead(c echo.Context) error {
	l, err := i.findDead(c)
	if err != nil {
		return err
	}
	if err := i.retry(c.Request().Context(), l); err != nil {
		return err
	}
	return i.getDead(c)
}

// retry has the reader that set a letter aside handle its event again.
func (i *instance) retry(ctx context.Context, l deadletter.Letter) error {
	for _, r := range i.readers {
		if r.Stream() != l.Stream {
			continue
		}
		err := r.Retry(ctx, l)
		switch {
		case err == nil || errors.Is(err, deadletter.ErrClosed):
			return deadFault(err)
		case bus.Transient(err):
			return fault.New(fault.Unavailable, "retry_later", "something is away that the event needs: %s", deadletter.Text(err))
		default:
			return fault.New(fault.Invalid, "retry_failed", "it failed again: %s", deadletter.Text(err))
		}
	}
	return fault.New(fault.Conflict, "not_subscribed", "%s does not read %s any more", i.service.Name, l.Stream)
}
