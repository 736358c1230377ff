package ops

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"
	"gorm.io/gorm"

	"quadrille/internal/platform/rest"
	"quadrille/pkg/consumer"
	"quadrille/pkg/deadletter"
	"quadrille/pkg/fault"
)

// deadRoutes adds the endpoints for dead letters.
func (s *Server) deadRoutes(e *echo.Echo) {
	e.GET("/dead-letters", s.listDead)
	e.POST("/dead-letters/retry", s.retryGroup)
	e.POST("/dead-letters/discard", s.discardGroup)
	e.GET("/dead-letters/:id", s.getDead)
	e.DELETE("/dead-letters/:id", s.discardDead)
	e.POST("/dead-letters/:id/retry", s.retryDead)
}

func deadModel(l deadletter.Letter) DeadLetter {
	return DeadLetter{
		ID: l.ID, Subscriber: l.Subscriber, Stream: l.Stream, Position: l.Position, EventID: l.EventID,
		Type: l.Type, Subject: l.Subject, Error: l.Error, Attempts: l.Attempts, FirstAt: l.FirstAt.UTC(), LastAt: l.LastAt.UTC(),
		State: l.State, Reason: l.Reason, ClosedAt: l.ClosedAt, Version: l.Version, NextAt: l.NextAt,
	}
}

// placeInSequences sets Behind and Head of unclosed letters.
func placeInSequences(ctx context.Context, conn *gorm.DB, letters []DeadLetter) error {
	subjects := map[deadletter.Of][]string{}
	for _, l := range letters {
		if l.ClosedAt == nil && l.Subject != "" {
			of := deadletter.Of{Subscriber: l.Subscriber, Stream: l.Stream}
			subjects[of] = append(subjects[of], l.Subject)
		}
	}
	for of, some := range subjects {
		found, err := of.Sequences(ctx, conn, some)
		if err != nil {
			return err
		}
		for i := range letters {
			l := &letters[i]
			sequence, has := found[l.Subject]
			switch {
			case !has || l.ClosedAt != nil || of != (deadletter.Of{Subscriber: l.Subscriber, Stream: l.Stream}):
			case l.ID == sequence.Head:
				l.Behind = sequence.Behind
			case l.State == deadletter.Behind:
				l.Head = sequence.Head
			}
		}
	}
	return nil
}

// wholeDead returns a letter with the message that could not be handled.
func wholeDead(l deadletter.Letter) DeadLetter {
	d := deadModel(l)
	if json.Valid(l.Body) && bytes.HasPrefix(bytes.TrimSpace(l.Body), []byte("{")) {
		d.Event = l.Body
	} else {
		d.Body = l.Body
	}
	return d
}

const (
	deadCursor  = "dead-letters"
	newestFirst = "-id" // value of the parameter sort
)

func (s *Server) listDead(c echo.Context) error {
	after, limit, err := pageQuery(c, deadCursor, "the dead letters")
	if err != nil {
		return err
	}
	f := DeadFilter{
		State: c.QueryParam("state"), Stream: c.QueryParam("stream"), Type: c.QueryParam("type"), Subject: c.QueryParam("subject"),
		Error: c.QueryParam("error"), Newest: c.QueryParam("sort") == newestFirst,
	}
	page, err := deadPage(c.Request().Context(), s.DB, f, after, limit)
	if err != nil {
		return err
	}
	return sendPage(c, page, page.Next)
}

func deadPage(ctx context.Context, conn *gorm.DB, filter DeadFilter, after int64, limit int) (DeadPage, error) {
	f := deadletter.Filter{State: stateFilter(filter.State, deadletter.Open), Stream: filter.Stream, Type: filter.Type, Subject: filter.Subject, Error: filter.Error}
	list := deadletter.List
	if filter.Newest {
		list = deadletter.ListNewest
	}
	letters, err := list(ctx, conn, f, after, limit+1)
	if err != nil {
		return DeadPage{}, err
	}
	groups, err := deadletter.Groups(ctx, conn, f)
	if err != nil {
		return DeadPage{}, err
	}
	page := DeadPage{Groups: rest.Map(groups, func(g deadletter.Group) DeadGroup { return DeadGroup(g) })}
	if page.Total, err = deadletter.Count(ctx, conn, f); err != nil {
		return DeadPage{}, err
	}
	letters, page.Next = nextPage(deadCursor, letters, limit, func(l deadletter.Letter) int64 { return l.ID })
	page.Items = rest.Map(letters, deadModel)
	return page, placeInSequences(ctx, conn, page.Items)
}

// findDead returns the dead letter whose ID is in the path.
func (s *Server) findDead(c echo.Context) (deadletter.Letter, error) {
	id, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil {
		return deadletter.Letter{}, fault.New(fault.Malformed, "id_invalid", "a dead letter's ID is a number")
	}
	return findDead(c.Request().Context(), s.DB, id)
}

func findDead(ctx context.Context, conn *gorm.DB, id int64) (deadletter.Letter, error) {
	l, err := deadletter.Find(ctx, conn, id)
	return l, deadFault(err)
}

// deadFault converts the errors of package deadletter that a caller can cause to faults.
func deadFault(err error) error {
	switch {
	case errors.Is(err, deadletter.ErrNotFound):
		return fault.New(fault.NotFound, "dead_letter_unknown", "there is no such dead letter")
	case errors.Is(err, deadletter.ErrClosed):
		return fault.New(fault.Conflict, "dead_letter_closed", "the dead letter was retried, discarded or overtaken before")
	case errors.Is(err, deadletter.ErrBehind):
		return fault.New(fault.Conflict, "dead_letter_behind", "the dead letter waits for an earlier one of its subject; retry or discard that one first")
	case errors.Is(err, deadletter.ErrActing):
		return fault.New(fault.Conflict, "dead_letter_busy", "the dead letter is being retried at the moment")
	}
	return err
}

func (s *Server) getDead(c echo.Context) error {
	l, err := s.findDead(c)
	if err != nil {
		return err
	}
	whole, err := shownDead(c.Request().Context(), s.DB, l)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, whole)
}

// shownDead returns a letter with its message and its place in the sequence.
func shownDead(ctx context.Context, conn *gorm.DB, l deadletter.Letter) (DeadLetter, error) {
	one := []DeadLetter{wholeDead(l)}
	err := placeInSequences(ctx, conn, one)
	return one[0], err
}

func (s *Server) discardDead(c echo.Context) error {
	l, err := s.findDead(c)
	if err != nil {
		return err
	}
	if err := deadletter.Discard(c.Request().Context(), s.DB, l.ID, c.QueryParam("reason")); err != nil {
		return deadFault(err)
	}
	return s.getDead(c)
}

func (s *Server) retryDead(c echo.Context) error {
	l, err := s.findDead(c)
	if err != nil {
		return err
	}
	if err := s.retry(c.Request().Context(), l); err != nil {
		return err
	}
	return s.getDead(c)
}

// retry handles the event of a dead letter again, with the reader that wrote the letter.
func (s *Server) retry(ctx context.Context, l deadletter.Letter) error {
	for _, r := range s.Consumers {
		if r.Stream() != l.Stream {
			continue
		}
		err := r.Retry(ctx, l)
		switch {
		case err == nil || deadFault(err) != err: //nolint:errorlint // deadFault replaces what it knows
			return deadFault(err)
		case consumer.Transient(err):
			return fault.New(fault.Unavailable, "retry_later", "handling the event failed for a transient reason: %s", deadletter.Text(err))
		default:
			return fault.New(fault.Invalid, "retry_failed", "handling the event failed again: %s", deadletter.Text(err))
		}
	}
	return fault.New(fault.Conflict, "not_subscribed", "%s no longer reads %s", s.Service, l.Stream)
}

// groupBatch bounds the letters of one request: each retry may call other services, and
// a request has a deadline.
const groupBatch = 100

func (s *Server) retryGroup(c echo.Context) error {
	return s.eachDead(c, func(ctx context.Context, l deadletter.Letter, _ GroupRequest) error { return s.retry(ctx, l) })
}

func (s *Server) discardGroup(c echo.Context) error {
	return s.eachDead(c, func(ctx context.Context, l deadletter.Letter, r GroupRequest) error {
		return deadFault(deadletter.Discard(ctx, s.DB, l.ID, r.Reason))
	})
}

// eachDead calls do with the next letters of the selection in the body. It stops at a
// transient error: the rest would fail for the same reason, and the caller can repeat the
// request.
func (s *Server) eachDead(c echo.Context, do func(context.Context, deadletter.Letter, GroupRequest) error) error {
	var r GroupRequest
	if err := json.NewDecoder(c.Request().Body).Decode(&r); err != nil {
		return fault.New(fault.Malformed, "request_malformed", "the body selects no dead letters: %v", err) // such as a number beyond 64 bits
	}
	ctx := c.Request().Context()
	f := deadletter.Filter{State: deadletter.Open, Stream: r.Stream, Type: r.Type, Error: r.Error}
	letters, err := deadletter.List(ctx, s.DB, f, r.After, groupBatch)
	if err != nil {
		return err
	}
	var result GroupResult
	for _, l := range letters {
		err := do(ctx, l, r)
		var refused *fault.Fault
		switch {
		case err == nil:
			result.Done++
		case fault.Is(err, fault.Unavailable) || !errors.As(err, &refused):
			return err
		default:
			result.Failed++
		}
	}
	if len(letters) == groupBatch {
		result.After = &letters[len(letters)-1].ID
	}
	return c.JSON(http.StatusOK, result)
}
