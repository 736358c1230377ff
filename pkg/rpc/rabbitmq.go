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
// long-lived consumer of RabbitMQ's direct reply-to, which needs no queue of its
// own. That wants one channel for both.
type rabbitTransport struct {
	cfg RabbitMQConfig

	opening sync.Mutex // one goroutine opens the channel at a time
	mu      sync.Mutex
	ch      *amqp.Channel // nil until it is opened, and after it broke
	closed  bool
	waiting map[string]chan answer // by correlation ID
	hearing sync.WaitGroup
}

// answer is a reply, or why there will be none.
type answer struct {
	reply []byte
	err   error
}

// directReply is the pseudo-queue that a client's own replies come from.
const directReply = "amq.rabbitmq.reply-to"

// NewRabbitMQ is a transport over a RabbitMQ queue.
func NewRabbitMQ(cfg RabbitMQConfig) (Transport, error) {
	if cfg.Session == nil || cfg.Queue == "" {
		return nil, errors.New("rpc over RabbitMQ: Session and Queue are needed")
	}
	return &rabbitTransport{cfg: cfg, waiting: map[string]chan answer{}}, nil
}

// RoundTrip is Transport's. A queue that is not there, since nobody ever served it,
// is ErrUnavailable at once.
func (t *rabbitTransport) RoundTrip(ctx context.Context, id string, message []byte) ([]byte, error) {
	ch, err := t.channel()
	if err != nil {
		return nil, err
	}
	request := amqp.Publishing{ContentType: contentType, Body: message, CorrelationId: id}
	if deadline, has := ctx.Deadline(); has {
		// A request whose caller has gone is not worth a place in the queue.
		request.Expiration = strconv.FormatInt(max(1, time.Until(deadline).Milliseconds()), 10)
	}
	var arrived chan answer
	if id != "" {
		request.ReplyTo = directReply
		arrived = make(chan answer, 1)
		if !t.expect(ch, id, arrived) {
			return nil, fmt.Errorf("%w: the connection broke", ErrUnavailable)
		}
		defer t.expect(ch, id, nil)
	}
	if err := ch.PublishWithContext(ctx, "", t.cfg.Queue, id != "", false, request); err != nil {
		return nil, unavailable(ctx, err)
	}
	if id == "" {
		return nil, nil
	}
	select {
	case a := <-arrived:
		return a.reply, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("no answer from %s: %w", t.cfg.Queue, ctx.Err())
	}
}

// expect has the reply to id go to arrived, or to nobody any more where that is
// nil; false where ch is no longer the channel that hears.
func (t *rabbitTransport) expect(ch *amqp.Channel, id string, arrived chan answer) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case arrived == nil:
		delete(t.waiting, id)
	case t.ch != ch:
		return false
	default:
		t.waiting[id] = arrived
	}
	return true
}

func (t *rabbitTransport) current() (ch *amqp.Channel, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, errTransportClosed
	}
	return t.ch, nil
}

// channel is the channel to publish on, opened where there is none.
func (t *rabbitTransport) channel() (*amqp.Channel, error) {
	if ch, err := t.current(); ch != nil || err != nil {
		return ch, err
	}
	t.opening.Lock()
	defer t.opening.Unlock()
	if ch, err := t.current(); ch != nil || err != nil {
		return ch, err
	}
	conn, err := t.cfg.Session.Connection()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	ch, err := conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("%w: open channel: %w", ErrUnavailable, err)
	}
	const ahead = 1024
	returned := ch.NotifyReturn(make(chan amqp.Return, ahead))
	replies, err := ch.Consume(directReply, "", true, false, false, false, nil)
	if err != nil {
		_ = ch.Close() // a refused consume has closed it already
		return nil, fmt.Errorf("%w: hear replies: %w", ErrUnavailable, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		go ch.Close() //nolint:errcheck // nobody uses it
		return nil, errTransportClosed
	}
	t.ch = ch
	t.hearing.Go(func() { t.hear(ch, replies, returned) })
	return ch, nil
}

// hear hands replies to those who wait for them, until the channel breaks; then
// those who still wait learn that.
func (t *rabbitTransport) hear(ch *amqp.Channel, replies <-chan amqp.Delivery, returned <-chan amqp.Return) {
	for {
		select {
		case d, open := <-replies:
			if !open {
				t.broken(ch)
				return
			}
			t.hand(d.CorrelationId, answer{reply: d.Body})
		case r, open := <-returned:
			if !open {
				returned = nil
				continue
			}
			t.hand(r.CorrelationId, answer{err: fmt.Errorf("%w: nobody serves the queue %s", ErrUnavailable, t.cfg.Queue)})
		}
	}
}

// hand gives an answer to whoever waits for it. One that is late is dropped.
func (t *rabbitTransport) hand(id string, a answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if arrived := t.waiting[id]; arrived != nil {
		delete(t.waiting, id)
		arrived <- a
	}
}

func (t *rabbitTransport) broken(ch *amqp.Channel) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ch == ch {
		t.ch = nil
	}
	for id, arrived := range t.waiting {
		delete(t.waiting, id)
		arrived <- answer{err: fmt.Errorf("%w: the connection broke", ErrUnavailable)}
	}
}

// Close is Transport's.
func (t *rabbitTransport) Close() error {
	t.mu.Lock()
	t.closed = true
	ch := t.ch
	t.mu.Unlock()
	if ch != nil {
		_ = ch.Close() // one that broke is closed already
	}
	t.hearing.Wait()
	return nil
}
