package ops

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
	"gorm.io/gorm"

	"quadrille/internal/platform/rest"
	"quadrille/pkg/fault"
	"quadrille/pkg/outbox"
)

// refusedRoutes adds the endpoints for events of this service that the log refuses.
func (s *Server) refusedRoutes(e *echo.Echo) {
	e.GET("/outbox/refused", s.listRefused)
	e.POST("/outbox/refused/retry", s.retryAllRefused)
	e.GET("/outbox/refused/:id", s.getRefused)
	e.DELETE("/outbox/refused/:id", s.discardRefused)
	e.POST("/outbox/refused/:id/retry", s.retryRefused)
}

func refusedModel(r outbox.Refused) RefusedEvent {
	m := RefusedEvent{
		ID: r.ID, EventID: r.EventID, Type: r.Type, Subject: r.Subject, RoutingKey: r.RoutingKey, Size: len(r.Body),
		Error: r.Refusal, RefusedAt: r.RefusedAt.UTC(), State: r.State(), DiscardedAt: r.DiscardedAt,
	}
	if r.DiscardReason != nil {
		m.Reason = *r.DiscardReason
	}
	return m
}

const refusedCursor = "refused-events"

func (s *Server) listRefused(c echo.Context) error {
	after, limit, err := pageQuery(c, refusedCursor, "the refused events")
	if err != nil {
		return err
	}
	page, err := refusedPage(c.Request().Context(), s.DB, c.QueryParam("state"), after, limit)
	if err != nil {
		return err
	}
	return sendPage(c, page, page.Next)
}

func refusedPage(ctx context.Context, conn *gorm.DB, state string, after int64, limit int) (page RefusedPage, err error) {
	state = stateFilter(state, outbox.RefusedOpen)
	found, err := outbox.ListRefused(ctx, conn, state, after, limit+1)
	if err != nil {
		return page, err
	}
	if page.Total, err = outbox.CountRefused(ctx, conn, state); err != nil {
		return page, err
	}
	found, page.Next = nextPage(refusedCursor, found, limit, func(r outbox.Refused) int64 { return r.ID })
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

func (s *Server) getRefused(c echo.Context) error {
	id, err := refusedID(c)
	if err != nil {
		return err
	}
	whole, err := wholeRefused(c.Request().Context(), s.DB, id)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, whole)
}

// wholeRefused returns a refused event with its content.
func wholeRefused(ctx context.Context, conn *gorm.DB, id int64) (RefusedEvent, error) {
	r, err := outbox.FindRefused(ctx, conn, id)
	if err != nil {
		return RefusedEvent{}, err
	}
	m := refusedModel(r)
	if json.Valid([]byte(r.Body)) {
		m.Event = json.RawMessage(r.Body)
	}
	return m, nil
}

func (s *Server) retryRefused(c echo.Context) error {
	id, err := refusedID(c)
	if err != nil {
		return err
	}
	if err := outbox.RetryRefused(c.Request().Context(), s.DB, id); err != nil {
		return err
	}
	s.wakeRelay()
	return c.JSON(http.StatusOK, Retried{Retried: 1})
}

func (s *Server) retryAllRefused(c echo.Context) error {
	n, err := outbox.RetryAllRefused(c.Request().Context(), s.DB)
	if err != nil {
		return err
	}
	s.wakeRelay()
	return c.JSON(http.StatusOK, Retried{Retried: n})
}

// wakeRelay makes the relay look for unsent events at once.
func (s *Server) wakeRelay() {
	if s.Relay != nil {
		s.Relay.Wake()
	}
}

func (s *Server) discardRefused(c echo.Context) error {
	id, err := refusedID(c)
	if err != nil {
		return err
	}
	if err := discardRefused(c.Request().Context(), s.DB, id, c.QueryParam("reason")); err != nil {
		return err
	}
	return s.getRefused(c)
}

func discardRefused(ctx context.Context, conn *gorm.DB, id int64, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return fault.New(fault.Invalid, "reason_missing", "discarding a refused event needs a reason").With("#/query/reason", "must not be empty")
	}
	return outbox.DiscardRefused(ctx, conn, id, reason)
}
