package edge

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"quadrille/internal/platform/ops"
	"quadrille/internal/platform/ready"
)

// serviceState is the API's representation of the state of a service.
type serviceState struct {
	Name        string             `json:"name"`
	Status      string             `json:"status"` // ready, not_ready or away
	Detail      string             `json:"detail,omitempty"`
	Checks      []ready.Result     `json:"checks"`
	Readers     []ops.Subscription `json:"readers"`
	Outbox      ops.Outbox         `json:"outbox"`
	DeadLetters int64              `json:"dead_letters"` // open ones
	Parked      int64              `json:"parked"`       // retried by the service itself
	Behind      int64              `json:"behind"`       // waiting for an earlier one of their subject
}

// stateTimeout bounds how long a service may take to report its state: the response waits
// for the slowest service.
const stateTimeout = 3 * time.Second

// servicesRoute adds the endpoint with the states of all services, including those that
// do not respond.
func (s *Server) servicesRoute(api *echo.Group) {
	api.Match(readMethods, "/ops/services", func(c echo.Context) error {
		names := s.cfg.Upstreams.names()
		items := make([]serviceState, len(names))
		var requests sync.WaitGroup
		for i, name := range names {
			requests.Go(func() { items[i] = fetchState(c.Request().Context(), name, s.cfg.Upstreams.ops(name)) })
		}
		requests.Wait()
		return c.JSON(http.StatusOK, map[string]any{"items": items})
	})
}

func fetchState(ctx context.Context, name string, c *ops.Client) serviceState {
	ctx, cancel := context.WithTimeout(ctx, stateTimeout)
	defer cancel()
	s := serviceState{Name: name, Status: "ready", Readers: []ops.Subscription{}, Checks: []ready.Result{}}
	var unready error
	var requests sync.WaitGroup
	requests.Go(func() { unready = c.Ready(ctx) })
	readers, err := c.Subscriptions(ctx)
	requests.Wait()
	switch {
	case err != nil && unready != nil:
		s.Status, s.Detail = "away", "does not respond"
		return s
	case unready != nil:
		s.Status, s.Detail = "not_ready", unready.Error()
	case err != nil:
		s.Status, s.Detail = "not_ready", "does not report its subscriptions"
	}
	if err == nil {
		s.Readers, s.Outbox = readers.Items, readers.Outbox
		s.DeadLetters, s.Parked, s.Behind = readers.DeadLetters, readers.Parked, readers.Behind
		if readers.Checks != nil {
			s.Checks = readers.Checks
		}
	}
	return s
}
