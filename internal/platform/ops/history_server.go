package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"gorm.io/gorm"

	"quadrille/pkg/bus"
	"quadrille/pkg/consumer"
	"quadrille/pkg/fault"
	"quadrille/pkg/outbox"
)

// historyRoutes adds the endpoints that read a history again, or publish it again.
func (s *Server) historyRoutes(e *echo.Echo) {
	e.POST("/subscriptions/:stream/replay", s.replay)
	e.POST("/outbox/rebuild", s.rebuild)
}

func (s *Server) replay(c echo.Context) error {
	var body struct {
		Since string `json:"since"`
	}
	if err := json.NewDecoder(c.Request().Body).Decode(&body); err != nil {
		return fmt.Errorf("read body: %w", err) // the validator passed it
	}
	stream := c.Param("stream")
	for _, r := range s.Consumers {
		if r.Stream() != stream {
			continue
		}
		plan, err := PlanReplay(c.Request().Context(), s.Bus, stream, body.Since)
		if err != nil {
			return err
		}
		if err := Replay(c.Request().Context(), s.DB, s.Service, plan); err != nil {
			return err
		}
		s.Log.Info("replay started", "stream", stream, "from", plan.From, "end", plan.End)
		return c.JSON(http.StatusOK, plan)
	}
	return fault.New(fault.NotFound, "not_subscribed", "%s does not read %s", s.Service, stream)
}

// PlanReplay finds the offset at which a replay of stream begins. since is an offset, a
// time (RFC 3339) or a date; the replay begins at the first event if it is empty.
// PlanReplay returns a fault that is Invalid for any other text and for an offset beyond
// the end, and one that is Unavailable if b does not respond.
func PlanReplay(ctx context.Context, b bus.Bus, stream, since string) (Plan, error) {
	end, err := b.End(ctx, stream)
	if err != nil {
		return Plan{}, fault.New(fault.Unavailable, "log_unavailable", "reading the end of %s from the log failed: %v", stream, err)
	}
	plan := Plan{Stream: stream, End: offset(end)}
	switch at, isTime := parseTime(since); {
	case since == "":
	case isTime && end.IsStart():
	case isTime:
		if plan.From, err = b.Since(ctx, stream, at); err != nil {
			return Plan{}, fault.New(fault.Unavailable, "log_unavailable", "finding the first event of %s since %s in the log failed: %v", stream, since, err)
		}
	default:
		if plan.From, err = strconv.ParseInt(since, 10, 64); err != nil || plan.From < 0 {
			return Plan{}, fault.New(fault.Invalid, "since_invalid", "%.60q is neither an offset nor a time", since).
				With("/since", "must be an offset, 0 or more, or a time such as 2026-01-02T03:04:05Z")
		}
	}
	if plan.From > plan.End+1 {
		return Plan{}, fault.New(fault.Invalid, "since_beyond_end", "%s ends at offset %d", stream, plan.End).
			With("/since", "lies beyond the end")
	}
	return plan, nil
}

func parseTime(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// Replay sets a subscriber's position to the start of plan.
func Replay(ctx context.Context, db *gorm.DB, subscriber string, plan Plan) error {
	return consumer.Reset(ctx, db, subscriber, plan.Stream, plan.From)
}

func (s *Server) rebuild(c echo.Context) error {
	if s.Relay == nil {
		return fault.New(fault.Conflict, "no_events", "%s publishes no events", s.Service)
	}
	force := c.QueryParam("force") == "true"
	total, err := s.Relay.Rebuild(c.Request().Context(), force)
	if errors.Is(err, outbox.ErrHistoryHoldsMore) {
		return fault.New(fault.Conflict, "history_holds_more", "%v: later consumers would miss them; set force to rebuild nevertheless", err)
	}
	if err != nil {
		return err
	}
	s.Log.Warn("history deleted; publishing it again from the outbox", "events", total)
	return c.JSON(http.StatusOK, map[string]int64{"events": total})
}
