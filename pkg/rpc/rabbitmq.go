package rpc

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"quadrille/pkg/broker"
)

// RabbitMQConfig says on which queue requests are published.
type RabbitMQConfig struct {
	Session *broker.Session // stays the caller's to close
	Queue   string
}

// rabbitTransport publishes requests to a queue and hears all replies on one
// long-lived consumer of RabbitMQ's direct reply-to.
type rabbitTransport struct {
	cfg RabbitMQConfig

	mu      sync.Mutex
	line    *rabbitLine // nil until one is opened, and after it broke
	opening *opening    // nil while none is being opened
	closed  bool
	waiting map[string]*waiter // by correlation ID
	running sync.WaitGroup
}

// waiter is a call under way.
type waiter struct {
	since   time.Time
	arrived chan answer // of size 1
}

// answer is a reply, or why there will be none.
type answer struct {
	reply []byte
	err   error
}

// opening is an attempt to open a line, which all calls wait for that need one.
type opening struct {
	done chan struct{} // closed when line or err is set
	line *rabbitLine
	err  error
}

// NewRabbitMQ is a transport over a RabbitMQ queue. A call to a queue that is not
// there is ErrUnavailable at once. One to a queue that nobody serves is
// ErrUnavailable after two to three seconds; its request stays in the queue until
// the call's deadline, and is still carried out if a server comes back before. Who
// sends it again and must not have it done twice gives it an idempotency key.
func NewRabbitMQ(cfg RabbitMQConfig) (Transport, error) {
	if cfg.Session == nil || cfg.Queue == "" {
		return nil, errors.New("rpc over RabbitMQ: Session and Queue are needed")
	}
	return &rabbitTransport{cfg: cfg, waiting: map[string]*waiter{}}, nil
}

// RoundTrip is Transport's.
func (t *rabbitTransport) RoundTrip(ctx context.Context, id string, message []byte) ([]byte, error) {
	if err := t.cfg.Session.State(); err != nil {
		return nil, notSent(fmt.Errorf("%w: %w", ErrUnavailable, err))
	}
	line, err := t.open(ctx)
	if err != nil {
		return nil, notSent(err)
	}
	request := amqp.Publishing{ContentType: contentType, Body: message, CorrelationId: id}
	if deadline, has := ctx.Deadline(); has {
		// A request whose caller has gone is not worth a place in the queue.
		request.Expiration = strconv.FormatInt(max(1, time.Until(deadline).Milliseconds()), 10)
	}
	arrived := make(chan answer, 1)
	if id != "" {
		request.ReplyTo = directReply
		if !t.expect(line, id, arrived) {
			return nil, notSent(errBroke)
		}
		defer t.forget(id)
	}
	return t.exchange(ctx, line, outbound{ctx: ctx, request: request, published: arrived})
}

// exchange sends a request and waits for what becomes of it, until ctx ends.
func (t *rabbitTransport) exchange(ctx context.Context, line *rabbitLine, o outbound) ([]byte, error) {
	broken := line.broken
	if o.request.CorrelationId != "" {
		broken = nil // it is told by way of waiting, after the replies that are there
	}
	select {
	case line.out <- o:
	case <-line.broken:
		return nil, notSent(errBroke)
	case <-ctx.Done():
		return nil, notSent(fmt.Errorf("to %s: %w", t.cfg.Queue, ctx.Err()))
	}
	select {
	case a := <-o.published:
		return a.reply, a.err
	case <-broken:
		return nil, errBroke
	case <-ctx.Done():
		return nil, fmt.Errorf("no answer from %s: %w", t.cfg.Queue, ctx.Err())
	}
}

// expect has the reply to id go to arrived; false where line is no longer the one
// that hears.
func (t *rabbitTransport) expect(line *rabbitLine, id string, arrived chan answer) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.line != line {
		return false
	}
	t.waiting[id] = &waiter{since: time.Now(), arrived: arrived}
	return true
}

func (t *rabbitTransport) forget(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.waiting, id)
}

// hand gives an answer to whoever waits for it. One that is late is dropped.
func (t *rabbitTransport) hand(id string, a answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w := t.waiting[id]; w != nil {
		delete(t.waiting, id)
		w.arrived <- a
	}
}

// open is the line to talk on. One is opened where there is none; that may take as
// long as a connection takes to be found dead, and ctx does not.
func (t *rabbitTransport) open(ctx context.Context) (*rabbitLine, error) {
	t.mu.Lock()
	if t.closed || t.line != nil {
		defer t.mu.Unlock()
		if t.closed {
			return nil, errTransportClosed
		}
		return t.line, nil
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
		return o.line, o.err
	case <-ctx.Done():
		return nil, fmt.Errorf("no channel to RabbitMQ: %w", ctx.Err())
	}
}

// finish opens a line and sets it going.
func (t *rabbitTransport) finish(o *opening) {
	defer close(o.done)
	line, err := openRabbitLine(t.cfg.Session)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.opening = nil
	switch {
	case err != nil:
		o.err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	case t.closed:
		go line.ch.Close() //nolint:errcheck // nobody uses it
		o.err = errTransportClosed
	default:
		t.line, o.line = line, line
		t.running.Go(func() { t.hear(line) })
		t.running.Go(func() { t.send(line) })
		t.running.Go(func() { t.watch(line) })
	}
}

// broke tells those who still wait that a line will bring no more replies.
func (t *rabbitTransport) broke(line *rabbitLine) {
	close(line.broken)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.line = nil
	for id, w := range t.waiting {
		delete(t.waiting, id)
		w.arrived <- answer{err: errBroke}
	}
}

// errBroke is what calls get whose channel broke under them.
var errBroke = fmt.Errorf("%w: the connection broke", ErrUnavailable)

// Close is Transport's. A connection that hangs is left to its session after a
// moment.
func (t *rabbitTransport) Close() error {
	t.mu.Lock()
	t.closed = true
	line := t.line
	t.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if line != nil {
			_ = line.ch.Close() // one that broke is closed already
		}
		t.running.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(time.Second):
		t.abandon()
	}
	return nil
}

// abandon fails the calls that a hanging connection holds.
func (t *rabbitTransport) abandon() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, w := range t.waiting {
		delete(t.waiting, id)
		w.arrived <- answer{err: errTransportClosed}
	}
}
