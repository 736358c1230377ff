package app

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
	"gorm.io/gorm"

	"quadrille/internal/platform/ops"
	"quadrille/internal/platform/rest"
	"quadrille/pkg/fault"
	"quadrille/pkg/outbox"
)

// refusedRoutes are the endpoints for events of the service's own that the log refuses.
func (i *instance) refusedRoutes(e *echo.Echo) {
	e.GET("/outbox/refused", i.listRefused)
	e.POST("/outbox/refused/retry", i.retryAllRefused)
	e.GET("/outbox/refused/:id", i.getRefused)
	e.DELETE("/outbox/refused/:id", i.discardRefused)
	e.POST("/outbox/refused/:id/retry", i.retryRefused)
}

func refusedModel(r outbox.Refused) ops.RefusedEvent {
	m := ops.RefusedEvent{
		ID: r.ID, EventID: r.EventID, Type: r.Type, Subject: r.Subject, RoutingKey: r.RoutingKey, Size: len(r.Body),
		Error: r.Refusal, RefusedAt: r.RefusedAt.UTC(), State: r.State(), DiscardedAt: r.DiscardedAt,
	}
	if r.DiscardReason != nil {
		m.Reason = *r.DiscardReason
	}
	return m
}

const refusedCursor = "refused-events"

func (i *instance) listRefused(c echo.Context) error {
	ctx, cursor := c.Request().Context(), c.QueryParam("after")
	key, err := rest.DecodeCursor(refusedCursor, &cursor)
	if err != nil {
		return err
	}
	var after int64
	if key != "" {
		if after, err = strconv.ParseInt(key, 10, 64); err != nil {
			return fault.New(fault.Malformed, "cursor_invalid", "this is no cursor of the refused events")
		}
	}
	limit := rest.DefaultLimit
	if asked := c.QueryParam("limit"); asked != "" {
		if limit, err = strconv.Atoi(asked); err != nil {
			return fault.New(fault.Malformed, "limit_invalid", "limit is no number")
		}
	}
	page, err := refusedPage(ctx, i.db, c.QueryParam("state"), after, limit)
	if err != nil {
		return err
	}
	if page.Next != nil {
		c.Response().Header().Set("Link", *rest.Link(ctx, page.Next))
	}
	return c.JSON(http.StatusOK, page)
}

func refusedPage(ctx context.Context, conn *gorm.DB, state string, after int64, limit int) (page ops.RefusedPage, err error) {
	switch state {
	case "":
		state = outbox.RefusedOpen
	case "all":
		state = ""
	}
	found, err := outbox.ListRefused(ctx, conn, state, after, limit+1)
	if err != nil {
		return page, err
	}
	if page.Total, err = outbox.CountRefused(ctx, conn, state); err != nil {
		return page, err
	}
	found, page.Next = rest.Page(refusedCursor, found, limit, func(r outbox.Refused) string { return strconv.FormatInt(r.ID, 10) })
	page.Items = rest.Map(found, refusedModel)
	return page, nil
}

func refusedID(c echo.Context) (int64, error) {
	id, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil {
		return 0, fault.New(fault.NotFound, "refused_event_unknown", "there is no refused event %.40q", c.Param("id"))
	}
	return id, nil
}

func (i *instance) getRefused(c echo.Context) error {
	id, err := refusedID(c)
	if err != nil {
		return err
	}
	whole, err := wholeRefused(c.Request().Context(), i.db, id)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, whole)
}

// wholeRefused returns a refused event with what would be published.
func wholeRefused(ctx context.Context, conn *gorm.DB, id int64) (ops.RefusedEvent, error) {
	r, err := outbox.FindRefused(ctx, conn, id)
	if err != nil {
		return ops.RefusedEvent{}, err
	}
	m := refusedModel(r)
	if json.Valid([]byte(r.Body)) {
		m.Event = json.RawMessage(r.Body)
	}
	return m, nil
}

func (i *instance) retryRefused(c echo.Context) error {
	id, err := refusedID(c)
	if err != nil {
		return err
	}
	if err := outbox.RetryRefused(c.Request().Context(), i.db, id); err != nil {
		return err
	}
	i.wake()
	return c.JSON(http.StatusOK, ops.Retried{Retried: 1})
}

func (i *instance) retryAllRefused(c echo.Context) error {
	n, err := outbox.RetryAllRefused(c.Request().Context(), i.db)
	if err != nil {
		return err
	}
	i.wake()
	return c.JSON(http.StatusOK, ops.Retried{Retried: n})
}

func (i *instance) discardRefused(c echo.Context) error {
	id, err := refusedID(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	if err := discard(ctx, i.db, id, c.QueryParam("reason")); err != nil {
		return err
	}
	whole, err := wholeRefused(ctx, i.db, id)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, whole)
}

func discard(ctx context.Context, conn *gorm.DB, id int64, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return fault.New(fault.Invalid, "reason_missing", "a refused event is discarded for a reason").With("#/query/reason", "must not be empty")
	}
	return outbox.DiscardRefused(ctx, conn, id, reason)
}

// RefusedEvents returns the first refused events in a state, up to limit.
func (s Stopped) RefusedEvents(ctx context.Context, state string, limit int) (ops.RefusedPage, error) {
	return refusedPage(ctx, s.DB, state, 0, limit)
}

// RefusedEvent returns one refused event, with what would be published.
func (s Stopped) RefusedEvent(ctx context.Context, id int64) (ops.RefusedEvent, error) {
	return wholeRefused(ctx, s.DB, id)
}

// RetryRefused has one refused event published when the service is started.
func (s Stopped) RetryRefused(ctx context.Context, id int64) error {
	return outbox.RetryRefused(ctx, s.DB, id)
}

// RetryAllRefused is RetryRefused of all that are open.
func (s Stopped) RetryAllRefused(ctx context.Context) (int64, error) {
	return outbox.RetryAllRefused(ctx, s.DB)
}

// DiscardRefused gives one refused event up, for a reason.
func (s Stopped) DiscardRefused(ctx context.Context, id int64, reason string) error {
	return discard(ctx, s.DB, id, reason)
}
