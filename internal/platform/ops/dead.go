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

// DeadLetter is an event that a service could not handle.
type DeadLetter struct {
	ID         int64           `json:"id"`
	Subscriber string          `json:"subscriber"`
	Stream     string          `json:"stream"`
	Position   int64           `json:"position"` // offset in the stream; -1 where a resynchronisation met it
	EventID    string          `json:"event_id"`
	Type       string          `json:"type"` // empty where it is no event
	Subject    string          `json:"subject"`
	Error      string          `json:"error"`
	Attempts   int             `json:"attempts"`
	FirstAt    time.Time       `json:"first_at"`
	LastAt     time.Time       `json:"last_at"`
	State      string          `json:"state"`
	Reason     string          `json:"reason,omitempty"`
	ClosedAt   *time.Time      `json:"closed_at,omitempty"`
	Event      json.RawMessage `json:"event,omitempty"` // what came; only of one letter
	Body       []byte          `json:"body,omitempty"`  // likewise, where it is no JSON object
}

// DeadGroup is how many letters have the same type and cause.
type DeadGroup struct {
	Type  string `json:"type"`
	Cause string `json:"cause"`
	Count int64  `json:"count"`
}

// DeadPage is a page of letters, and the groups of all that the filter picks.
type DeadPage struct {
	Items  []DeadLetter `json:"items"`
	Total  int64        `json:"total"`
	Groups []DeadGroup  `json:"groups"`
	Next   *string      `json:"next,omitempty"`
}

// DeadFilter picks letters; its zero fields pick all, but for the state: open ones.
type DeadFilter struct {
	State  string `json:"-"`
	Stream string `json:"stream,omitempty"`
	Type   string `json:"type,omitempty"`
	Error  string `json:"error,omitempty"`
}

// DeadLetters returns one page of dead letters.
func (c *Client) DeadLetters(ctx context.Context, f DeadFilter, limit int, after *string) (DeadPage, error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	for name, value := range map[string]string{"state": f.State, "stream": f.Stream, "type": f.Type, "error": f.Error} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if after != nil {
		query.Set("after", *after)
	}
	return ask[DeadPage](ctx, c, http.MethodGet, "/dead-letters", query, nil)
}

// DeadLetter returns one dead letter with its event.
func (c *Client) DeadLetter(ctx context.Context, id int64) (DeadLetter, error) {
	return ask[DeadLetter](ctx, c, http.MethodGet, letterPath(id), nil, nil)
}

// Retry has one letter's event handled again.
func (c *Client) Retry(ctx context.Context, id int64) (DeadLetter, error) {
	return ask[DeadLetter](ctx, c, http.MethodPost, letterPath(id)+"/retry", nil, nil)
}

// Discard closes one letter for a reason.
func (c *Client) Discard(ctx context.Context, id int64, reason string) (DeadLetter, error) {
	return ask[DeadLetter](ctx, c, http.MethodDelete, letterPath(id), url.Values{"reason": {reason}}, nil)
}

func letterPath(id int64) string { return fmt.Sprintf("/dead-letters/%d", id) }

// GroupResult is what became of a part of a group; After is where to go on.
type GroupResult struct {
	Done   int64  `json:"done"`
	Failed int64  `json:"failed"`
	After  *int64 `json:"after,omitempty"`
}

// GroupRequest is the open letters that a request is about, after an ID.
type GroupRequest struct {
	DeadFilter

	After  int64  `json:"after,omitempty"`
	Reason string `json:"reason,omitempty"` // why they are discarded
}

// RetryGroup has the events of the open letters that f picks handled again, some
// at a time, telling each result; until there are no more.
func (c *Client) RetryGroup(ctx context.Context, f DeadFilter, told func(GroupResult)) error {
	return c.eachGroup(ctx, "/dead-letters/retry", GroupRequest{DeadFilter: f}, told)
}

// DiscardGroup discards the open letters that f picks.
func (c *Client) DiscardGroup(ctx context.Context, f DeadFilter, reason string, told func(GroupResult)) error {
	return c.eachGroup(ctx, "/dead-letters/discard", GroupRequest{DeadFilter: f, Reason: reason}, told)
}

func (c *Client) eachGroup(ctx context.Context, path string, r GroupRequest, told func(GroupResult)) error {
	for {
		result, err := ask[GroupResult](ctx, c, http.MethodPost, path, nil, r)
		if err != nil {
			return err
		}
		told(result)
		if result.After == nil {
			return nil
		}
		r.After = *result.After
	}
}
