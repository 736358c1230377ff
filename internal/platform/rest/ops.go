package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"gopkg.in/yaml.v3"

	"quadrille/internal/platform/ready"
	"quadrille/pkg/events"
	"quadrille/pkg/fault"
)

// Ops is what the common endpoints answer from.
type Ops struct {
	Ready         func(context.Context) []ready.Result
	Registry      *prometheus.Registry // request metrics are added to it
	Metrics       http.Handler
	Feed          func(ctx context.Context, after int64, limit int) ([]FeedItem, error)
	Subscriptions func(context.Context) (any, error)
	Routes        func(*echo.Echo) // further endpoints of the document; nil for none
}

// FeedItem is one event of the feed, with its place in it.
type FeedItem struct {
	ID   int64
	Body json.RawMessage
}

// readiness is the answer of /readyz.
type readiness struct {
	Status string         `json:"status"`
	Checks []ready.Result `json:"checks"`
}

func (o Ops) register(e *echo.Echo, document *openapi3.T) error {
	docs, err := publish(document)
	if err != nil {
		return err
	}
	e.GET("/healthz", func(c echo.Context) error { return c.NoContent(http.StatusOK) })
	e.GET("/readyz", Readyz(o.Ready))
	e.GET("/metrics", echo.WrapHandler(o.Metrics))
	register(e, "", func() (*published, error) { return docs, nil })
	e.GET("/feed", o.feed)
	e.GET("/subscriptions", func(c echo.Context) error {
		answer, err := o.Subscriptions(c.Request().Context())
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, answer)
	})
	if o.Routes != nil {
		o.Routes(e)
	}
	return nil
}

// marshalYAML goes by way of JSON, which knows how a document is laid out.
func marshalYAML(document *openapi3.T) ([]byte, error) {
	asJSON, err := document.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("write OpenAPI document: %w", err)
	}
	var tree yaml.Node
	if err := yaml.Unmarshal(asJSON, &tree); err != nil {
		return nil, fmt.Errorf("write OpenAPI document: %w", err)
	}
	plain(&tree)
	text, err := yaml.Marshal(&tree)
	if err != nil {
		return nil, fmt.Errorf("write OpenAPI document: %w", err)
	}
	return text, nil
}

// plain takes JSON's braces and quotes out of the tree's style.
func plain(n *yaml.Node) {
	n.Style = 0
	for _, child := range n.Content {
		plain(child)
	}
}

// Readyz answers with 200 while no check fails, else with 503. The body tells how
// each check is.
func Readyz(checks func(context.Context) []ready.Result) echo.HandlerFunc {
	return func(c echo.Context) error {
		answer := readiness{Status: "ready", Checks: checks(c.Request().Context())}
		status := http.StatusOK
		if !ready.Ready(answer.Checks) {
			answer.Status, status = "not_ready", http.StatusServiceUnavailable
		}
		return c.JSON(status, answer)
	}
}

const feedCursor = "feed"

func (o Ops) feed(c echo.Context) error {
	cursor := c.QueryParam("after")
	key, err := DecodeCursor(feedCursor, &cursor)
	if err != nil {
		return err
	}
	after, limit := int64(0), DefaultLimit
	if key != "" {
		if after, err = strconv.ParseInt(key, 10, 64); err != nil {
			return fault.New(fault.Malformed, "cursor_invalid", "this is no cursor of the feed")
		}
	}
	if asked := c.QueryParam("limit"); asked != "" {
		if limit, err = strconv.Atoi(asked); err != nil {
			return fault.New(fault.Malformed, "limit_invalid", "limit is no number")
		}
	}
	items, err := o.Feed(c.Request().Context(), after, limit)
	if err != nil {
		return err
	}
	batch := make([]json.RawMessage, len(items))
	for i, item := range items {
		batch[i], after = item.Body, item.ID
	}
	next := EncodeCursor(feedCursor, strconv.FormatInt(after, 10))
	c.Response().Header().Set("Link", *Link(c.Request().Context(), &next))
	body, err := json.Marshal(batch)
	if err != nil {
		return fmt.Errorf("write feed: %w", err)
	}
	return c.Blob(http.StatusOK, events.BatchContentType, body)
}
