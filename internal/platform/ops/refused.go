package ops

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// RefusedEvent is an event in the service's outbox that the log refuses because of its
// content.
type RefusedEvent struct {
	ID          int64           `json:"id"`
	EventID     string          `json:"event_id"`
	Type        string          `json:"type"`
	Subject     string          `json:"subject"`
	RoutingKey  string          `json:"routing_key"`
	Size        int             `json:"size"` // of the event as JSON, in bytes
	Error       string          `json:"error"`
	RefusedAt   time.Time       `json:"refused_at"`
	State       string          `json:"state"`
	Reason      string          `json:"reason,omitempty"`
	DiscardedAt *time.Time      `json:"discarded_at,omitempty"`
	Event       json.RawMessage `json:"event,omitempty"` // missing in lists
}

// RefusedPage is a page of refused events, oldest first.
type RefusedPage struct {
	Items []RefusedEvent `json:"items"`
	Total int64          `json:"total"`
	Next  *string        `json:"next,omitempty"`
}

// RefusedEvents returns one page of refused events in a state: open, discarded or all.
func (c *Client) RefusedEvents(ctx context.Context, state string, limit int) (RefusedPage, error) {
	query := url.Values{"state": {state}, "limit": {strconv.Itoa(limit)}}
	return ask[RefusedPage](ctx, c, http.MethodGet, "/outbox/refused", query, nil)
}

// RefusedEvent returns one refused event with its content.
func (c *Client) RefusedEvent(ctx context.Context, id int64) (RefusedEvent, error) {
	return ask[RefusedEvent](ctx, c, http.MethodGet, refusedPath(id), nil, nil)
}

// RetryRefused makes the service publish one refused event again.
func (c *Client) RetryRefused(ctx context.Context, id int64) error {
	_, err := ask[Retried](ctx, c, http.MethodPost, refusedPath(id)+"/retry", nil, nil)
	return err
}

// Retried has the number of refused events that are published again.
type Retried struct {
	Retried int64 `json:"retried"`
}

// RetryAllRefused makes the service publish all open refused events again. It returns their
// number.
func (c *Client) RetryAllRefused(ctx context.Context) (int64, error) {
	answer, err := ask[Retried](ctx, c, http.MethodPost, "/outbox/refused/retry", nil, nil)
	return answer.Retried, err
}

// DiscardRefused discards one refused event for a reason.
func (c *Client) DiscardRefused(ctx context.Context, id int64, reason string) error {
	_, err := ask[RefusedEvent](ctx, c, http.MethodDelete, refusedPath(id), url.Values{"reason": {reason}}, nil)
	return err
}

func refusedPath(id int64) string { return fmt.Sprintf("/outbox/refused/%d", id) }
