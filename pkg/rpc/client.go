package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/uuid"
)

// ErrUnavailable is wrapped by errors of a message that may or may not have
// arrived: what carries it is away, or the server died.
var ErrUnavailable = errors.New("rpc: no answer")

// ErrNotSent is wrapped as well where the message has certainly not left: nothing will
// come of it.
var ErrNotSent = errors.New("rpc: not sent")

func notSent(err error) error { return fmt.Errorf("%w: %w", ErrNotSent, err) }

// Transport carries messages. It is safe for concurrent use.
type Transport interface {
	// RoundTrip sends a message and waits for its reply, until ctx ends at the
	// latest. id is that of its request, or of the first one in a batch; empty means
	// that there will be no reply, and nil comes back once the message is on its way.
	RoundTrip(ctx context.Context, id string, message []byte) (reply []byte, err error)
	// Close lets go of what the transport holds. Calls under way fail.
	Close() error
}

// Client calls methods over a transport. It is safe for concurrent use.
type Client struct{ transport Transport }

// NewClient makes a client. Closing it closes the transport.
func NewClient(t Transport) *Client { return &Client{transport: t} }

// Close closes the transport.
func (c *Client) Close() error { return c.transport.Close() }

// outgoing is a request object on its way out.
type outgoing struct {
	Version string `json:"jsonrpc"`
	Method  string `json:"method"`
	Params  any    `json:"params,omitempty"`
	Expires int64  `json:"expires,omitempty"` // Unix milliseconds: the caller's deadline
	ID      string `json:"id,omitempty"`
}

func newOutgoing(ctx context.Context, method string, params any) outgoing {
	r := outgoing{Version: version, Method: method, Params: params}
	if deadline, has := ctx.Deadline(); has {
		// Rounded up: the server must not give up first, and answer that.
		r.Expires = deadline.Add(time.Millisecond - time.Nanosecond).UnixMilli()
	}
	return r
}

// Option is how a call is made.
type Option func(*options)

type options struct{ idempotent bool }

// Idempotent says that the method may run twice for one call: the call is then
// sent again while nothing answers, until its context ends.
func Idempotent() Option { return func(o *options) { o.idempotent = true } }

// Call calls a method, with 30 s for it where ctx has no deadline. params is what becomes a JSON array or object, or nil. What
// the method answers instead of a result is an *Error; a call that got no answer
// wraps ErrUnavailable or the context's error, and may have been carried out.
func Call[R any](ctx context.Context, c *Client, method string, params any, opts ...Option) (result R, err error) {
	var o options
	for _, set := range opts {
		set(&o)
	}
	raw, err := c.call(ctx, method, params, o)
	if err != nil {
		return result, err
	}
	if err := json.Unmarshal(raw, &result); err != nil {
		return result, fmt.Errorf("rpc: result of %s: %w", method, err)
	}
	return result, nil
}

func (c *Client) call(ctx context.Context, method string, params any, o options) (json.RawMessage, error) {
	if !o.idempotent {
		return c.once(ctx, method, params)
	}
	policy := backoff.NewExponentialBackOff()
	policy.InitialInterval, policy.MaxInterval = 50*time.Millisecond, time.Second
	return backoff.Retry(ctx, func() (json.RawMessage, error) {
		result, err := c.once(ctx, method, params)
		if err != nil && !errors.Is(err, ErrUnavailable) {
			return nil, backoff.Permanent(err)
		}
		return result, err
	}, backoff.WithBackOff(policy), backoff.WithMaxElapsedTime(0))
}

// withDeadline gives a call that has no deadline one: nothing waits for ever.
func withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	const usual = 30 * time.Second
	if _, has := ctx.Deadline(); has {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, usual)
}

func (c *Client) once(ctx context.Context, method string, params any) (json.RawMessage, error) {
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	r := newOutgoing(ctx, method, params)
	r.ID = uuid.NewString()
	message, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("rpc: params of %s: %w", method, err)
	}
	reply, err := c.transport.RoundTrip(ctx, r.ID, message)
	if err == nil {
		err = ctx.Err() // a late reply is none
	}
	if err != nil {
		return nil, fmt.Errorf("rpc: call %s: %w", method, err)
	}
	answer, err := parseResponse(reply)
	switch {
	case err != nil:
		return nil, fmt.Errorf("rpc: reply to %s: %w", method, err)
	case answer.Error != nil:
		return nil, answer.Error
	case answer.id != r.ID:
		return nil, fmt.Errorf("rpc: the reply to %s is one to another request", method)
	}
	return answer.Result, nil
}

// Notify sends a notification: it is never answered, and nobody says whether it
// was carried out.
func (c *Client) Notify(ctx context.Context, method string, params any) error {
	message, err := json.Marshal(newOutgoing(ctx, method, params))
	if err != nil {
		return fmt.Errorf("rpc: params of %s: %w", method, err)
	}
	if _, err := c.transport.RoundTrip(ctx, "", message); err != nil {
		return fmt.Errorf("rpc: notify %s: %w", method, err)
	}
	return nil
}

// reply is a response object on its way in.
type reply struct {
	Result json.RawMessage
	Error  *Error
	id     string // empty where it is null, or none of ours
}

func parseResponse(raw []byte) (reply, error) {
	if !json.Valid(raw) || kind(raw) != '{' {
		return reply{}, errors.New("no response object")
	}
	return responseOf(raw)
}

// responseOf takes a response, in valid JSON, apart.
func responseOf(raw []byte) (r reply, err error) {
	members := scan(raw)
	r.id = unquoted(find(members, "id")) // whose it is not, it is nobody's
	if e := find(members, "error"); e != nil && kind(e) != 'n' {
		if err := json.Unmarshal(e, &r.Error); err != nil {
			return r, fmt.Errorf("no error object: %w", err)
		}
		return r, nil
	}
	if r.Result = find(members, "result"); r.Result == nil {
		return r, errors.New("it holds neither a result nor an error")
	}
	return r, nil
}
