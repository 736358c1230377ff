package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/uuid"

	"quadrille/pkg/rpc/internal/jsonscan"
)

// ErrUnavailable means that a message may or may not have arrived: the transport is
// unavailable, or the server died.
var ErrUnavailable = errors.New("rpc: no answer")

// ErrNotSent, wrapped in addition, means that the message was not sent and will have no
// effect.
var ErrNotSent = errors.New("rpc: not sent")

// ErrTransportClosed fails the calls of a transport that was closed. It wraps
// ErrUnavailable.
var ErrTransportClosed = fmt.Errorf("%w: the transport was closed", ErrUnavailable)

// NotSent wraps err in ErrNotSent. It is for implementations of Transport.
func NotSent(err error) error { return fmt.Errorf("%w: %w", ErrNotSent, err) }

// Unavailable wraps err in ErrUnavailable, or in the error of ctx if that has ended. It
// is for implementations of Transport.
func Unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w (%w)", ctx.Err(), err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// Transport carries messages. It is safe for concurrent use.
type Transport interface {
	// RoundTrip sends a message and waits for its reply, at most until ctx ends. id is
	// the ID of the request, or of the first one in a batch. An empty id means that no
	// reply will come: RoundTrip then returns nil once the message is sent.
	RoundTrip(ctx context.Context, id string, message []byte) (reply []byte, err error)
	// Close releases the transport's resources. Calls in progress fail.
	Close() error
}

// Client calls methods over a transport. It is safe for concurrent use.
type Client struct{ transport Transport }

// NewClient returns a client. Closing it closes the transport.
func NewClient(t Transport) *Client { return &Client{transport: t} }

// Close closes the transport.
func (c *Client) Close() error { return c.transport.Close() }

// outgoing is a request object to be sent.
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
		// Rounded up, so that the server does not give up, and say so, before the caller.
		r.Expires = deadline.Add(time.Millisecond - time.Nanosecond).UnixMilli()
	}
	return r
}

// Option changes how a call is made.
type Option func(*options)

type options struct{ idempotent bool }

// Idempotent sends a call that gets no answer again until its context ends. The method
// may then run more than once.
func Idempotent() Option { return func(o *options) { o.idempotent = true } }

// Call calls a method and decodes its result. params must encode to a JSON array or
// object, or be nil. Without a deadline in ctx the call has 30 s. An error response is
// returned as an *Error. The error of a call without an answer wraps ErrUnavailable or
// the error of ctx; such a call may have been carried out, unless it wraps ErrNotSent.
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

// withDeadline adds a deadline of 30 s if ctx has none.
func withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	const timeout = 30 * time.Second
	if _, has := ctx.Deadline(); has {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, timeout)
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
		err = ctx.Err() // a late reply counts as missing
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
		return nil, fmt.Errorf("rpc: the reply to %s has the ID of another request", method)
	}
	return answer.Result, nil
}

// Notify sends a notification. Servers never answer one, so that its outcome remains
// unknown.
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

// reply is a received response object.
type reply struct {
	Result json.RawMessage
	Error  *Error
	id     string // empty if null, or not a string
}

func parseResponse(raw []byte) (reply, error) {
	if !json.Valid(raw) || jsonscan.Kind(raw) != '{' {
		return reply{}, errors.New("it is not a response object")
	}
	return decodeResponse(raw)
}

// decodeResponse decodes a response object from valid JSON.
func decodeResponse(raw []byte) (r reply, err error) {
	members := jsonscan.Split(raw)
	r.id = jsonscan.String(jsonscan.Find(members, "id"))
	if e := jsonscan.Find(members, "error"); e != nil && jsonscan.Kind(e) != 'n' {
		if err := json.Unmarshal(e, &r.Error); err != nil {
			return r, fmt.Errorf("its error is not an error object: %w", err)
		}
		return r, nil
	}
	if r.Result = jsonscan.Find(members, "result"); r.Result == nil {
		return r, errors.New("it holds neither a result nor an error")
	}
	return r, nil
}
