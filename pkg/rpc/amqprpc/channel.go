package amqprpc

import (
	"context"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"quadrille/pkg/broker"
	"quadrille/pkg/rpc"
	"quadrille/pkg/rpc/internal/pending"
)

// directReplyTo is the pseudo-queue from which a client consumes its own replies.
const directReplyTo = "amq.rabbitmq.reply-to"

// channel carries requests out and replies in: direct reply-to requires one channel
// for both. Callers pass requests to a goroutine that publishes, because a write to a
// hanging connection blocks beyond their deadlines.
type channel struct {
	conn     *amqp.Connection
	ch       *amqp.Channel
	out      chan outgoing
	replies  <-chan amqp.Delivery
	returned <-chan amqp.Return
	broken   chan struct{} // closed when the channel can no longer be used
}

// outgoing is a request to be published. A request with a correlation ID expects a
// reply; a call without one is finished as soon as it is published.
type outgoing struct {
	ctx     context.Context //nolint:containedctx // of the call, which waits meanwhile
	request amqp.Publishing
	call    *pending.Call
}

func openChannel(s *broker.Session) (*channel, error) {
	const buffered = 1024
	conn, err := s.Connection()
	if err != nil {
		return nil, err
	}
	ch, err := conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open channel: %w", err)
	}
	c := &channel{
		conn: conn, ch: ch, out: make(chan outgoing, 64), broken: make(chan struct{}),
		returned: ch.NotifyReturn(make(chan amqp.Return, buffered)),
	}
	if c.replies, err = ch.Consume(directReplyTo, "", true, false, false, false, nil); err != nil {
		_ = ch.Close() // the broker has closed it already if it refused
		return nil, fmt.Errorf("consume replies: %w", err)
	}
	return c, nil
}

// publish sends the requests of all callers until the channel breaks.
func (t *transport) publish(c *channel) {
	for {
		select {
		case <-c.broken:
			return
		case o := <-c.out:
			id := o.request.CorrelationId
			err := c.ch.PublishWithContext(o.ctx, "", t.cfg.Queue, id != "", false, o.request)
			if err != nil {
				err = rpc.Unavailable(o.ctx, err)
			}
			switch {
			case id == "":
				o.call.Finish(pending.Result{Err: err})
			case err != nil:
				t.calls.Deliver(id, pending.Result{Err: err})
			}
		}
	}
}

// consumeReplies delivers replies, and requests that no queue took, until the channel
// breaks.
func (t *transport) consumeReplies(c *channel) {
	defer t.drop(c)
	for {
		select {
		case d, open := <-c.replies:
			if !open {
				return
			}
			t.calls.Deliver(d.CorrelationId, pending.Result{Reply: d.Body})
		case r, open := <-c.returned:
			if !open {
				c.returned = nil
				continue
			}
			t.calls.Deliver(r.CorrelationId, pending.Result{Err: rpc.NotSent(t.errUnserved())}) // the queue does not exist
		}
	}
}
