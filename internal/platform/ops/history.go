package ops

import (
	"context"
	"net/http"
	"net/url"

	"quadrille/internal/platform/ready"
)

// Subscriptions is how far a service is with what others said, and with what it
// has to say itself.
type Subscriptions struct {
	Items       []Subscription `json:"items"`
	Outbox      Outbox         `json:"outbox"`
	DeadLetters int64          `json:"dead_letters"` // open ones
	Checks      []ready.Result `json:"checks"`       // as /readyz has them
}

// Outbox is what a service has said and not sent.
type Outbox struct {
	Unsent  int64  `json:"unsent"`
	Refused int64  `json:"refused"` // set aside, since the log refuses them
	Error   string `json:"error,omitempty"`
}

// Subscription is one reader. Offsets have gaps: they tell a distance, not a
// number of events.
type Subscription struct {
	Subscriber string `json:"subscriber"`
	Stream     string `json:"stream"`
	Position   int64  `json:"position"` // offset of the event taken last; -1 before the first
	End        int64  `json:"end"`      // offset of the stream's last event; -1 where it has none
	Lag        int64  `json:"lag"`
	Replaying  bool   `json:"replaying"`
	Resynced   int    `json:"resynced,omitempty"` // things asked of the owner so far, while resyncing
	State      string `json:"state"`
	Error      string `json:"error,omitempty"`
}

// Subscriptions asks how far the service is.
func (c *Client) Subscriptions(ctx context.Context) (Subscriptions, error) {
	return ask[Subscriptions](ctx, c, http.MethodGet, "/subscriptions", nil, nil)
}

// Plan is where a replay begins and what was the end then.
type Plan struct {
	Stream string `json:"stream"`
	From   int64  `json:"from"` // offset that comes next
	End    int64  `json:"end"`  // offset of the stream's last event; -1 where it has none
}

// Replay has the service read a stream again, since an offset or a time; from the
// first event where since is empty.
func (c *Client) Replay(ctx context.Context, stream, since string) (Plan, error) {
	body := map[string]string{}
	if since != "" {
		body["since"] = since
	}
	return ask[Plan](ctx, c, http.MethodPost, "/subscriptions/"+url.PathEscape(stream)+"/replay", nil, body)
}

// Rebuild has the service publish its outbox anew, and returns how many events
// those are.
func (c *Client) Rebuild(ctx context.Context, force bool) (int64, error) {
	query := url.Values{}
	if force {
		query.Set("force", "true")
	}
	answer, err := ask[struct {
		Events int64 `json:"events"`
	}](ctx, c, http.MethodPost, "/outbox/rebuild", query, nil)
	return answer.Events, err
}
