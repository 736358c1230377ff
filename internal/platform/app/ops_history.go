package app

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

	"quadrille/internal/platform/ops"
	"quadrille/pkg/bus"
	"quadrille/pkg/fault"
	"quadrille/pkg/outbox"
)

// historyRoutes are the endpoints that have history read, or published, again.
func (i *instance) historyRoutes(e *echo.Echo) {
	e.POST("/subscriptions/:stream/replay", i.replay)
	e.POST("/outbox/rebuild", i.rebuild)
}

func (i *instance) replay(c echo.Context) error {
	var body struct {
		Since string `json:"since"`
	}
	if err := json.NewDecoder(c.Request().Body).Decode(&body); err != nil {
		return fmt.Errorf("read body: %w", err) // the document was checked before
	}
	stream := c.Param("stream")
	for _, r := range i.readers {
		if r.Stream() != stream {
			continue
		}
		plan, err := PlanReplay(c.Request().Context(), i.shop.bus, stream, body.Since)
		if err != nil {
			return err
		}
		if err := Replay(c.Request().Context(), i.db, i.service.Name, plan); err != nil {
			return err
		}
		i.log.Info("replay begins", "stream", stream, "from", plan.From, "end", plan.End)
		return c.JSON(http.StatusOK, plan)
	}
	return fault.New(fault.NotFound, "not_subscribed", "%s does not read %s", i.service.Name, stream)
}

// PlanReplay finds where to begin: at an offset, at a time (RFC 3339), or at the
// first event where since is empty.
func PlanReplay(ctx context.Context, b bus.Bus, stream, since string) (ops.Plan, error) {
	end, err := b.End(ctx, stream)
	if err != nil {
		return ops.Plan{}, fault.New(fault.Unavailable, "log_unavailable", "the log does not say how far %s goes: %v", stream, err)
	}
	plan := ops.Plan{Stream: stream, End: offset(end)}
	switch at, isTime := parseTime(since); {
	case since == "":
	case isTime && end.IsStart():
	case isTime:
		if plan.From, err = b.Since(ctx, stream, at); err != nil {
			return ops.Plan{}, fault.New(fault.Unavailable, "log_unavailable", "the log does not say what was told since then: %v", err)
		}
	default:
		if plan.From, err = strconv.ParseInt(since, 10, 64); err != nil || plan.From < 0 {
			return ops.Plan{}, fault.New(fault.Invalid, "since_invalid", "%.60q is neither an offset nor a time", since).
				With("/since", "must be an offset, 0 or more, or a time such as 2026-01-02T03:04:05Z")
		}
	}
	if plan.From > plan.End+1 {
		return ops.Plan{}, fault.New(fault.Invalid, "since_beyond_end", "%s ends at offset %d", stream, plan.End).
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

// Replay sets a subscriber's position to where a plan begins.
func Replay(ctx context.Context, db *gorm.DB, subscriber string, plan ops.Plan) error {
	return bus.Reset(ctx, db, subscriber, plan.Stream, plan.From)
}

func (i *instance) rebuild(c echo.Context) error {
	if i.relay == nil {
		return fault.New(fault.Conflict, "no_events", "%s has no events of its own", i.service.Name)
	}
	force := c.QueryParam("force") == "true"
	total, err := i.relay.Rebuild(c.Request().Context(), force)
	if errors.Is(err, outbox.ErrHistoryHoldsMore) {
		return fault.New(fault.Conflict, "history_holds_more", "%v: whoever comes later would miss them; force it to rebuild nevertheless", err)
	}
	if err != nil {
		return err
	}
	i.log.Warn("history was deleted and is being published anew from the outbox", "events", total)
	return c.JSON(http.StatusOK, map[string]int64{"events": total})
}
