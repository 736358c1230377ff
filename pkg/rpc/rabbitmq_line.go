package rpc

import (
	"context"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"quadrille/pkg/broker"
)

// rabbitLine is one channel, on which requests go out and replies come in: direct
// reply-to, which needs no queue of its own, wants one channel for both. Callers
// hand requests to a goroutine that publishes, since a write to a connection that
// hangs blocks for longer than they would.
type rabbitLine struct {
	conn     *amqp.Connection
	ch       *amqp.Channel
	out      chan outbound
	replies  <-chan amqp.Delivery
	returned <-chan amqp.Return
	broken   chan struct{} // closed when nothing goes over it any more
}

// outbound is a request on its way out.
type outbound struct {
	ctx     context.Context //nolint:containedctx // of a call, which waits meanwhile
	request amqp.Publishing // with a correlation ID where there will be a reply
	// published is told of a notification that it is on its way, or why not.
	published chan answer
}

// directReply is the pseudo-queue that a client's own replies come from.
const directReply = "amq.rabbitmq.reply-to"

func openRabbitLine(s *broker.Session) (*rabbitLine, error) {
	const ahead = 1024
	conn, err := s.Connection()
	if err != nil {
		return nil, err
	}
	ch, err := conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open channel: %w", err)
	}
	line := &rabbitLine{
		conn: conn, ch: ch, out: make(chan outbound, 64), broken: make(chan struct{}),
		returned: ch.NotifyReturn(make(chan amqp.Return, ahead)),
	}
	if line.replies, err = ch.Consume(directReply, "", true, false, false, false, nil); err != nil {
		_ = ch.Close() // a refused consume has closed it already
		return nil, fmt.Errorf("hear replies: %w", err)
	}
	return line, nil
}

// send publishes what callers want out, until the line breaks.
func (t *rabbitTransport) send(line *rabbitLine) {
	for {
		select {
		case <-line.broken:
			return
		case o := <-line.out:
			id := o.request.CorrelationId
			err := line.ch.PublishWithContext(o.ctx, "", t.cfg.Queue, id != "", false, o.request)
			if err != nil {
				err = unavailable(o.ctx, err)
			}
			switch {
			case id == "":
				o.published <- answer{err: err}
			case err != nil:
				t.hand(id, answer{err: err})
			}
		}
	}
}

// hear hands replies to those who wait for them, until the line breaks.
func (t *rabbitTransport) hear(line *rabbitLine) {
	defer t.broke(line)
	for {
		select {
		case d, open := <-line.replies:
			if !open {
				return
			}
			t.hand(d.CorrelationId, answer{reply: d.Body})
		case r, open := <-line.returned:
			if !open {
				line.returned = nil
				continue
			}
			t.hand(r.CorrelationId, answer{err: notSent(t.errNobody())}) // there is no queue that keeps it
		}
	}
}

func (t *rabbitTransport) errNobody() error {
	return fmt.Errorf("%w: nobody serves the queue %s", ErrUnavailable, t.cfg.Queue)
}
