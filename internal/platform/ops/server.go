package ops

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"gorm.io/gorm"

	"quadrille/internal/platform/ready"
	"quadrille/internal/platform/rest"
	"quadrille/pkg/bus"
	"quadrille/pkg/consumer"
	"quadrille/pkg/deadletter"
	"quadrille/pkg/events"
	"quadrille/pkg/fault"
	"quadrille/pkg/outbox"
	"quadrille/pkg/task"
)

// Spec is the OpenAPI document of the endpoints that Register adds, and of
// /openapi.yaml and /docs, which package rest serves.
//
//go:embed ops.yaml
var Spec []byte

// ServerConfig names the parts of a service that its operations endpoints show and
// change. All fields are required except Relay.
type ServerConfig struct {
	Service   string // its name
	DB        *gorm.DB
	Bus       bus.Bus
	Relay     *outbox.Relay // nil for a service that publishes no events
	Consumers []*consumer.Consumer
	Tasks     *task.Runner
	Leader    func() bool // reports whether this instance holds the lease, and so reads
	Ready     *ready.Registry
	Metrics   *prometheus.Registry // the service's metrics; the server adds its own
	Log       *slog.Logger
}

// Server answers the operations endpoints of one service. Every instance answers them,
// whichever holds the lease.
type Server struct{ ServerConfig }

// NewServer returns a server and adds its metrics to cfg.Metrics.
func NewServer(cfg ServerConfig) (*Server, error) {
	s := &Server{cfg}
	if err := cfg.Metrics.Register(&collector{server: s}); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return s, nil
}

// Register adds the endpoints to e.
func (s *Server) Register(e *echo.Echo) {
	e.GET("/healthz", func(c echo.Context) error { return c.NoContent(http.StatusOK) })
	e.GET("/readyz", s.readyz)
	e.GET("/metrics", echo.WrapHandler(promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{})))
	e.GET("/feed", s.feed)
	e.GET("/subscriptions", s.subscriptions)
	s.deadRoutes(e)
	s.refusedRoutes(e)
	s.historyRoutes(e)
	s.taskRoutes(e)
}

// readyz responds with the result of each check: with status 200 if all pass, and with
// 503 otherwise.
func (s *Server) readyz(c echo.Context) error {
	body := struct {
		Status string         `json:"status"`
		Checks []ready.Result `json:"checks"`
	}{"ready", s.Ready.Results(c.Request().Context())}
	status := http.StatusOK
	if !ready.Ready(body.Checks) {
		body.Status, status = "not_ready", http.StatusServiceUnavailable
	}
	return c.JSON(status, body)
}

const feedCursor = "feed"

// feed responds with a page of the service's own events, from its outbox. Its Link
// header always has a next page, where later events will appear.
func (s *Server) feed(c echo.Context) error {
	after, limit, err := pageQuery(c, feedCursor, "the feed")
	if err != nil {
		return err
	}
	rows, err := outbox.Feed(c.Request().Context(), s.DB, after, limit)
	if err != nil {
		return err
	}
	batch := make([]json.RawMessage, len(rows))
	for i, r := range rows {
		batch[i], after = r.Body, r.ID
	}
	next := rest.EncodeCursor(feedCursor, strconv.FormatInt(after, 10))
	c.Response().Header().Set("Link", *rest.Link(c.Request().Context(), &next))
	body, err := json.Marshal(batch)
	if err != nil {
		return fmt.Errorf("write feed: %w", err)
	}
	return c.Blob(http.StatusOK, events.BatchContentType, body)
}

// subscriptionsWithin bounds the wait for the database in /subscriptions.
const subscriptionsWithin = 5 * time.Second

// subscriptions responds with the progress of each reader, and the number of unsent
// events.
func (s *Server) subscriptions(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), subscriptionsWithin)
	defer cancel()
	own, err := s.outbox(ctx)
	if err != nil {
		return err
	}
	letters, err := deadletter.CountUnclosed(ctx, s.DB)
	if err != nil {
		return err
	}
	body := Subscriptions{
		Items: []Subscription{}, Outbox: own, Checks: s.Ready.Results(ctx), DeadLetters: letters[deadletter.Open],
		Parked: letters[deadletter.Parked] + letters[deadletter.Acting], Behind: letters[deadletter.Behind],
	}
	for _, r := range s.statuses(ctx) {
		body.Items = append(body.Items, Subscription{
			Subscriber: r.Subscriber, Stream: r.Stream, Kind: r.Kind, Position: offset(r.Position), End: offset(r.End),
			Lag: r.Lag, Replaying: r.Replaying, Resynced: r.Resynced, State: r.State, Error: r.Err,
		})
	}
	return c.JSON(http.StatusOK, body)
}

// outbox counts the unsent and the refused events in the outbox.
func (s *Server) outbox(ctx context.Context) (own Outbox, err error) {
	if s.Relay == nil {
		return own, nil
	}
	waiting, err := s.Relay.Waiting(ctx)
	if err != nil {
		return own, err
	}
	own.Refused, err = outbox.CountRefused(ctx, s.DB, outbox.RefusedOpen)
	own.Unsent, own.Error = waiting.Unsent, s.Relay.Status().Err
	return own, err
}

// statuses returns the status of each reader. On a standby instance it has only the
// positions in the database.
func (s *Server) statuses(ctx context.Context) []consumer.Status {
	all := make([]consumer.Status, len(s.Consumers))
	for i, r := range s.Consumers {
		all[i] = r.Status(ctx)
		if !s.Leader() {
			all[i].State, all[i].Err = consumer.StateStandby, ""
		}
	}
	return all
}

// offset returns the offset of p; -1 before the first event.
func offset(p bus.Position) int64 {
	if p.IsStart() {
		return -1
	}
	return p.Offset
}

// pageQuery parses the query parameters after, a cursor of the list called kind, and
// limit. The error for a foreign cursor names the list.
func pageQuery(c echo.Context, kind, list string) (after int64, limit int, err error) {
	cursor := c.QueryParam("after")
	key, err := rest.DecodeCursor(kind, &cursor)
	if err != nil {
		return 0, 0, err
	}
	if key != "" {
		if after, err = strconv.ParseInt(key, 10, 64); err != nil {
			return 0, 0, fault.New(fault.Malformed, "cursor_invalid", "the parameter after is not a cursor of %s", list)
		}
	}
	limit = rest.DefaultLimit
	if text := c.QueryParam("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil {
			return 0, 0, fault.New(fault.Malformed, "limit_invalid", "the parameter limit is not a number")
		}
	}
	return after, limit, nil
}

// sendPage responds with a page. The Link header leads to the next one, if there is one.
func sendPage(c echo.Context, page any, next *string) error {
	if next != nil {
		c.Response().Header().Set("Link", *rest.Link(c.Request().Context(), next))
	}
	return c.JSON(http.StatusOK, page)
}

// nextPage cuts rows to limit. If there were more, it also returns the cursor of the
// next page.
func nextPage[R any](kind string, rows []R, limit int, id func(R) int64) ([]R, *string) {
	return rest.Page(kind, rows, limit, func(r R) string { return strconv.FormatInt(id(r), 10) })
}

// stateFilter converts the query parameter state to the state of a table's filter.
func stateFilter(state, open string) string {
	switch state {
	case "":
		return open
	case "all":
		return ""
	default:
		return state
	}
}
