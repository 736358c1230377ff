// Package amqprpc carries JSON-RPC over RabbitMQ: a queue for requests, and direct
// reply-to for replies. docs/rpc.md describes the messages and the guarantees.
package amqprpc

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"quadrille/pkg/broker"
	"quadrille/pkg/rpc"
	"quadrille/pkg/rpc/internal/pending"
)

// Config names the queue to which requests are published.
type Config struct {
	Session *broker.Session // the caller closes it
	Queue   string
}

// transport publishes requests to a queue and receives all replies on one long-lived
// consumer of RabbitMQ's direct reply-to.
type transport struct {
	cfg     Config
	calls   pending.Calls
	running sync.WaitGroup

	mu      sync.Mutex
	channel *channel // nil before the first is opened, and after it broke
	opening *opening // nil while none is being opened
	closed  bool
}

// opening is an attempt to open a channel, shared by all calls that need one.
type opening struct {
	done    chan struct{} // closed when channel or err is set
	channel *channel
	err     error
}

// errBroken fails the calls whose channel broke.
var errBroken = fmt.Errorf("%w: the connection broke", rpc.ErrUnavailable)

// New returns a transport over a RabbitMQ queue. A call to a queue that does not
// exist fails at once with ErrUnavailable. A call to a queue without consumers fails
// after two to three seconds with ErrUnavailable; its request stays in the queue until
// the call's deadline and still runs if a server starts before. A caller that sends
// such a call again uses an idempotency key if the method must not run twice.
func New(cfg Config) (rpc.Transport, error) {
	if cfg.Session == nil || cfg.Queue == "" {
		return nil, errors.New("rpc over RabbitMQ: Session and Queue are required")
	}
	return &transport{cfg: cfg}, nil
}

// RoundTrip implements rpc.Transport.
func (t *transport) RoundTrip(ctx context.Context, id string, message []byte) ([]byte, error) {
	if err := t.cfg.Session.State(); err != nil {
		return nil, rpc.NotSent(fmt.Errorf("%w: %w", rpc.ErrUnavailable, err))
	}
	c, err := t.open(ctx)
	if err != nil {
		return nil, rpc.NotSent(err)
	}
	request := amqp.Publishing{ContentType: rpc.ContentType, Body: message, CorrelationId: id}
	if deadline, has := ctx.Deadline(); has {
		// The broker drops requests whose caller has given up.
		request.Expiration = strconv.FormatInt(max(1, time.Until(deadline).Milliseconds()), 10)
	}
	call := pending.New(id, t.cfg.Queue)
	if id != "" {
		request.ReplyTo = directReplyTo
		if !t.expect(c, call) {
			return nil, rpc.NotSent(errBroken)
		}
		defer t.calls.Remove(id)
	}
	return t.exchange(ctx, c, outgoing{ctx: ctx, request: request, call: call})
}

// exchange sends a request and waits for its result until ctx ends.
func (t *transport) exchange(ctx context.Context, c *channel, o outgoing) ([]byte, error) {
	broken := c.broken
	if o.request.CorrelationId != "" {
		broken = nil // close delivers the failure, after the replies that have arrived
	}
	select {
	case c.out <- o:
	case <-c.broken:
		return nil, rpc.NotSent(errBroken)
	case <-ctx.Done():
		return nil, rpc.NotSent(fmt.Errorf("to %s: %w", t.cfg.Queue, ctx.Err()))
	}
	select {
	case r := <-o.call.Done():
		return r.Reply, r.Err
	case <-broken:
		return nil, errBroken
	case <-ctx.Done():
		return nil, fmt.Errorf("no answer from %s: %w", t.cfg.Queue, ctx.Err())
	}
}

// expect registers call for a reply on c. It returns false if c is no longer the
// channel in use.
func (t *transport) expect(c *channel, call *pending.Call) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.channel == c && t.calls.Add(call)
}

// open returns the channel in use, or opens one. Opening may take as long as RabbitMQ
// heartbeats need to detect a dead connection; open returns when ctx ends.
func (t *transport) open(ctx context.Context) (*channel, error) {
	t.mu.Lock()
	if t.closed || t.channel != nil {
		defer t.mu.Unlock()
		if t.closed {
			return nil, rpc.ErrTransportClosed
		}
		return t.channel, nil
	}
	o := t.opening
	if o == nil {
		o = &opening{done: make(chan struct{})}
		t.opening = o
		t.running.Go(func() { t.finish(o) })
	}
	t.mu.Unlock()
	select {
	case <-o.done:
		return o.channel, o.err
	case <-ctx.Done():
		return nil, fmt.Errorf("no channel to RabbitMQ: %w", ctx.Err())
	}
}

// finish opens a channel and starts its goroutines.
func (t *transport) finish(o *opening) {
	defer close(o.done)
	c, err := openChannel(t.cfg.Session)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.opening = nil
	switch {
	case err != nil:
		o.err = fmt.Errorf("%w: %w", rpc.ErrUnavailable, err)
	case t.closed:
		go c.ch.Close() //nolint:errcheck // nothing uses it
		o.err = rpc.ErrTransportClosed
	default:
		t.channel, o.channel = c, c
		t.running.Go(func() { t.consumeReplies(c) })
		t.running.Go(func() { t.publish(c) })
		t.running.Go(func() { t.checkServed(c) })
	}
}

// drop gives up a channel that broke and fails the calls that wait for its replies.
func (t *transport) drop(c *channel) {
	close(c.broken)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.channel = nil
	t.calls.FailAll(errBroken)
}

// Close implements rpc.Transport. It waits one second for a connection that hangs,
// then fails its calls and leaves the channel to the session.
func (t *transport) Close() error {
	t.mu.Lock()
	t.closed = true
	c := t.channel
	t.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if c != nil {
			_ = c.ch.Close() // a broken one is closed already
		}
		t.running.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(time.Second):
		t.calls.FailAll(rpc.ErrTransportClosed)
	}
	return nil
}
