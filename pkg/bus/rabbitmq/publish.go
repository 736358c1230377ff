package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"quadrille/pkg/events"

	"quadrille/pkg/bus"
)

// publisher publishes one stream on its own channel, one batch at a time.
type publisher struct {
	turn     chan struct{} // of size 1, a mutex with a context; guards the other fields
	verified bool          // Verify was called and declares the stream from then on
	ch       *amqp.Channel // nil before the first publish and after a failure
	confirms chan amqp.Confirmation
	returned chan amqp.Return // messages that no queue took: the history is missing
	closed   chan *amqp.Error
}

// maxPendingConfirms limits the confirms that wait to be counted. The client library
// delivers them one by one and stops reading from the broker while the buffer is full.
const maxPendingConfirms = 4096

// Publish implements bus.Bus. It publishes the whole batch, then waits for its confirms.
func (l *Log) Publish(ctx context.Context, stream string, messages []bus.Message) error {
	if l.isClosed() {
		return bus.ErrClosed
	}
	if err := bus.CheckAll(messages); err != nil {
		return fmt.Errorf("publish to %s: %w", l.exchange(stream), err)
	}
	if err := l.publish.State(); err != nil {
		return unavailable(err)
	}
	ctx, cancel := context.WithTimeout(ctx, l.cfg.ConfirmTimeout)
	defer cancel()
	p := l.publisher(stream)
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", bus.ErrUnavailable, ctx.Err())
	}
	if err := l.open(p, stream, len(messages) == 0); err != nil {
		return err
	}
	if err := l.publishBatch(ctx, p, stream, messages); err != nil {
		kind := bus.ErrUnavailable
		if refusesMessage(err) {
			kind = bus.ErrRefused
		}
		p.drop() // late confirms of this batch must not count for the next one
		return fmt.Errorf("%w: publish to %s: %w", kind, l.exchange(stream), err)
	}
	return nil
}

// publisher returns the publisher of a stream.
func (l *Log) publisher(stream string) *publisher {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.publishers[stream] == nil {
		l.publishers[stream] = &publisher{turn: make(chan struct{}, 1)}
	}
	return l.publishers[stream]
}

// open opens a channel in confirm mode if there is none. It declares the stream if
// declare is set, and for a new channel unless Verify does that.
func (l *Log) open(p *publisher, stream string, declare bool) error {
	isOpen := p.ch != nil && !p.ch.IsClosed()
	if isOpen && !declare {
		return nil
	}
	conn, err := l.publish.Connection()
	if err != nil {
		return unavailable(err)
	}
	if declare || !p.verified {
		if err := l.declare(conn, stream); err != nil {
			return err
		}
	}
	if isOpen {
		return nil
	}
	ch, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("%w: open channel: %w", bus.ErrUnavailable, err)
	}
	if err := ch.Confirm(false); err != nil {
		_ = ch.Close()
		return fmt.Errorf("%w: ask for confirms: %w", bus.ErrUnavailable, err)
	}
	p.ch = ch
	p.confirms = ch.NotifyPublish(make(chan amqp.Confirmation, maxPendingConfirms))
	p.returned = ch.NotifyReturn(make(chan amqp.Return, maxPendingConfirms))
	p.closed = ch.NotifyClose(make(chan *amqp.Error, 1))
	return nil
}

// publishBatch counts confirms while it publishes, so that neither side waits for the
// other. It sets the mandatory flag: an exchange also confirms messages that reach no
// queue, and a deleted history must be noticed.
func (l *Log) publishBatch(ctx context.Context, p *publisher, stream string, messages []bus.Message) error {
	counted := make(chan error, 1)
	var counting sync.WaitGroup
	defer counting.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	counting.Go(func() { counted <- p.await(ctx, len(messages)) })
	for _, m := range messages {
		err := p.ch.PublishWithContext(ctx, l.exchange(stream), m.RoutingKey, true, false, amqp.Publishing{
			ContentType: events.ContentType, DeliveryMode: amqp.Persistent,
			MessageId: m.ID, Type: m.Type, Body: m.Body,
		})
		if err != nil {
			return errors.Join(err, p.closeReason())
		}
	}
	return <-counted
}

// await waits for n confirms.
func (p *publisher) await(ctx context.Context, n int) error {
	for range n {
		select {
		case c, open := <-p.confirms:
			if !open {
				return p.closeError()
			}
			if !c.Ack {
				return errors.New("the broker refused a message")
			}
		case <-ctx.Done():
			return fmt.Errorf("wait for confirms: %w", ctx.Err())
		}
	}
	select { // RabbitMQ returns a message before it confirms it
	case r := <-p.returned:
		return fmt.Errorf("the history is missing: %s", r.ReplyText)
	default:
		return nil
	}
}

// closeReasonTimeout limits the wait for the reason why a channel was closed: the client
// library reports it shortly after closing the channel.
const closeReasonTimeout = time.Second

// closeReason waits for the reason why the channel was closed. It returns nil if none arrives
// in time.
func (p *publisher) closeReason() error {
	timer := time.NewTimer(closeReasonTimeout)
	defer timer.Stop()
	select {
	case cause, open := <-p.closed:
		if open && cause != nil {
			return cause
		}
	case <-timer.C:
	}
	return nil
}

// closeError returns closeReason, or a general error if there is none.
func (p *publisher) closeError() error {
	if cause := p.closeReason(); cause != nil {
		return cause
	}
	return errors.New("channel was closed")
}

// refusesMessage reports whether the broker closed the channel or the connection because
// of a message. All other reasons, and errors of the client library, mean that the log is
// unavailable.
func refusesMessage(err error) bool {
	var amqpErr *amqp.Error
	if !errors.As(err, &amqpErr) || !amqpErr.Server {
		return false
	}
	switch amqpErr.Code {
	case amqp.ContentTooLarge, amqp.PreconditionFailed, // on the channel: larger than max_message_size
		amqp.FrameError, amqp.SyntaxError, amqp.UnexpectedFrame: // on the connection
		return true
	}
	return false
}

// drop closes the channel; the next publish opens another one.
func (p *publisher) drop() {
	if p.ch != nil {
		go p.ch.Close() //nolint:errcheck // in the background, because it waits for the broker
		p.ch = nil
	}
}
