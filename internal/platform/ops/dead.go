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
	Position   int64           `json:"position"` // offset in the stream; -1 if it comes from a resynchronisation
	EventID    string          `json:"event_id"`
	Type       string          `json:"type"` // empty if the message is not an event
	Subject    string          `json:"subject"`
	Version    int64           `json:"version,omitempty"`
	Error      string          `json:"error"`
	Attempts   int             `json:"attempts"`
	FirstAt    time.Time       `json:"first_at"`
	LastAt     time.Time       `json:"last_at"`
	NextAt     *time.Time      `json:"next_at,omitempty"` // of the next attempt, which the service makes by itself
	State      string          `json:"state"`
	Behind     int             `json:"behind,omitempty"` // events that wait until this letter is closed
	Head       int64           `json:"head,omitempty"`   // the letter that this one waits for
	Reason     string          `json:"reason,omitempty"`
	ClosedAt   *time.Time      `json:"closed_at,omitempty"`
	Event      json.RawMessage `json:"event,omitempty"` // the event as received; missing in lists
	Body       []byte          `json:"body,omitempty"`  // the message if it is not a JSON object; missing in lists
}

// DeadGroup counts the letters with the same type and cause.
type DeadGroup struct {
	Type   string `json:"type"`
	Cause  string `json:"cause"`
	Count  int64  `json:"count"`
	Behind int64  `json:"behind,omitempty"` // events that wait until letters of the group are closed
}

// DeadPage has a page of letters, and the number and groups of all letters that match the
// filter.
type DeadPage struct {
	Items  []DeadLetter `json:"items"`
	Total  int64        `json:"total"`
	Groups []DeadGroup  `json:"groups"`
	Next   *string      `json:"next,omitempty"`
}

// DeadFilter selects letters. An empty field matches all letters, but an empty State only
// open ones. Requests for groups ignore State, Subject and Newest.
type DeadFilter struct {
	State   string `json:"-"`
	Subject string `json:"-"`
	Newest  bool   `json:"-"` // list the newest letters first
	Stream  string `json:"stream,omitempty"`
	Type    string `json:"type,omitempty"`
	Error   string `json:"error,omitempty"`
}

// DeadLetters returns one page of dead letters.
func (c *Client) DeadLetters(ctx context.Context, f DeadFilter, limit int, after *string) (DeadPage, error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	for name, value := range map[string]string{"state": f.State, "stream": f.Stream, "type": f.Type, "subject": f.Subject, "error": f.Error} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if f.Newest {
		query.Set("sort", newestFirst)
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

// Retry makes the service handle the event of one letter again.
func (c *Client) Retry(ctx context.Context, id int64) (DeadLetter, error) {
	return ask[DeadLetter](ctx, c, http.MethodPost, letterPath(id)+"/retry", nil, nil)
}

// Discard closes one letter for a reason.
func (c *Client) Discard(ctx context.Context, id int64, reason string) (DeadLetter, error) {
	return ask[DeadLetter](ctx, c, http.MethodDelete, letterPath(id), url.Values{"reason": {reason}}, nil)
}

func letterPath(id int64) string { return fmt.Sprintf("/dead-letters/%d", id) }

// GroupResult has the numbers of letters that a request for a group processed. After is the
// ID after which to continue; nil at the end of the group.
type GroupResult struct {
	Done   int64  `json:"done"`
	Failed int64  `json:"failed"`
	After  *int64 `json:"after,omitempty"`
}

// GroupRequest selects open letters with IDs greater than After.
type GroupRequest struct {
	DeadFilter

	After  int64  `json:"after,omitempty"`
	Reason string `json:"reason,omitempty"` // why they are discarded
}

// RetryGroup makes the service handle the events of all open letters that match f again. It
// sends as many requests as are needed, and calls report with the result of each.
func (c *Client) RetryGroup(ctx context.Context, f DeadFilter, report func(GroupResult)) error {
	return c.eachGroup(ctx, "/dead-letters/retry", GroupRequest{DeadFilter: f}, report)
}

// DiscardGroup discards all open letters that match f. It reports like RetryGroup.
func (c *Client) DiscardGroup(ctx context.Context, f DeadFilter, reason string, report func(GroupResult)) error {
	return c.eachGroup(ctx, "/dead-letters/discard", GroupRequest{DeadFilter: f, Reason: reason}, report)
}

func (c *Client) eachGroup(ctx context.Context, path string, r GroupRequest, report func(GroupResult)) error {
	for {
		result, err := ask[GroupResult](ctx, c, http.MethodPost, path, nil, r)
		if err != nil {
			return err
		}
		report(result)
		if result.After == nil {
			return nil
		}
		r.After = *result.After
	}
}
