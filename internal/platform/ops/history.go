package ops

import (
	"context"
	"net/http"
	"net/url"

	"quadrille/internal/platform/ready"
)

// Subscriptions has the progress of a service's readers and the state of its outbox.
type Subscriptions struct {
	Items       []Subscription `json:"items"`
	Outbox      Outbox         `json:"outbox"`
	DeadLetters int64          `json:"dead_letters"` // open ones
	Parked      int64          `json:"parked"`       // retried by the service itself
	Behind      int64          `json:"behind"`       // waiting for an earlier one of their subject
	Checks      []ready.Result `json:"checks"`       // as in /readyz
}

// Outbox counts the events in a service's outbox that are not in the log.
type Outbox struct {
	Unsent  int64  `json:"unsent"`
	Refused int64  `json:"refused"` // parked because the log refuses them
	Error   string `json:"error,omitempty"`
}

// Subscription has the progress of one reader. Offsets have gaps, so that Lag may exceed the
// number of unread events.
type Subscription struct {
	Subscriber string `json:"subscriber"`
	Stream     string `json:"stream"`
	Kind       string `json:"kind"`
	Position   int64  `json:"position"` // offset of the last event handled; -1 before the first
	End        int64  `json:"end"`      // offset of the stream's last event; -1 if it has none
	Lag        int64  `json:"lag"`
	Replaying  bool   `json:"replaying"`
	Resynced   int    `json:"resynced,omitempty"` // number of things fetched from the owner so far; 0 unless resyncing
	State      string `json:"state"`
	Error      string `json:"error,omitempty"`
}

// Subscriptions returns the progress of the service.
func (c *Client) Subscriptions(ctx context.Context) (Subscriptions, error) {
	return ask[Subscriptions](ctx, c, http.MethodGet, "/subscriptions", nil, nil)
}

// Plan has the range of a replay.
type Plan struct {
	Stream string `json:"stream"`
	From   int64  `json:"from"` // next offset to read
	End    int64  `json:"end"`  // offset of the stream's last event; -1 if it has none
}

// Replay makes the service read a stream again. since is an offset or a time; the replay
// begins at the first event if it is empty.
func (c *Client) Replay(ctx context.Context, stream, since string) (Plan, error) {
	body := map[string]string{}
	if since != "" {
		body["since"] = since
	}
	return ask[Plan](ctx, c, http.MethodPost, "/subscriptions/"+url.PathEscape(stream)+"/replay", nil, body)
}

// Rebuild makes the service delete its history and publish its outbox again. It returns the
// number of these events. Without force it fails if the history has events that the outbox no
// longer has.
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
