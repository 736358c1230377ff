package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"quadrille/pkg/events"
)

// publisher is the channel on which one stream is published, one batch at a time.
type publisher struct {
	turn     chan struct{} // of size 1: whose turn it is; guards the rest
	verified bool          // Verify was called, and takes care of the declaration
	ch       *amqp.Channel // nil until it is opened, and after a failure
	confirms chan amqp.Confirmation
	returned chan amqp.Return // what no queue took: the history is gone
	closed   chan *amqp.Error
}

// confirmsAhead bounds the confirms that wait to be counted. The client hands
// them over one by one and would stop reading from the broker if they were not
// taken.
const confirmsAhead = 4096

// Publish is Bus's. It publishes the whole batch and then waits for its confirms.
func (b *RabbitMQ) Publish(ctx context.Context, stream string, messages []Message) error {
	if b.isClosed() {
		return ErrClosed
	}
	if err := checkAll(messages); err != nil {
		return fmt.Errorf("publish to %s: %w", b.exchange(stream), err)
	}
	if err := b.publish.State(); err != nil {
		return away(err)
	}
	ctx, cancel := context.WithTimeout(ctx, b.cfg.ConfirmTimeout)
	defer cancel()
	p := b.publisher(stream)
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
	if err := b.open(p, stream, len(messages) == 0); err != nil {
		return err
	}
	if err := b.publishBatch(ctx, p, stream, messages); err != nil {
		kind := ErrUnavailable
		if refusesMessage(err) {
			kind = ErrRefused
		}
		p.drop() // late confirms of this batch must not count for the next
		return fmt.Errorf("%w: publish to %s: %w", kind, b.exchange(stream), err)
	}
	return nil
}

func (b *RabbitMQ) publisher(stream string) *publisher {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.publishers[stream] == nil {
		b.publishers[stream] = &publisher{turn: make(chan struct{}, 1)}
	}
	return b.publishers[stream]
}

// open opens a channel in confirm mode where there is none. It declares the stream
// where it is told to, and for a new channel unless Verify does so.
func (b *RabbitMQ) open(p *publisher, stream string, declare bool) error {
	isOpen := p.ch != nil && !p.ch.IsClosed()
	if isOpen && !declare {
		return nil
	}
	conn, err := b.publish.Connection()
	if err != nil {
		return away(err)
	}
	if declare || !p.verified {
		if err := b.declare(conn, stream); err != nil {
			return err
		}
	}
	if isOpen {
		return nil
	}
	ch, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("%w: open channel: %w", ErrUnavailable, err)
	}
	if err := ch.Confirm(false); err != nil {
		_ = ch.Close()
		return fmt.Errorf("%w: ask for confirms: %w", ErrUnavailable, err)
	}
	p.ch = ch
	p.confirms = ch.NotifyPublish(make(chan amqp.Confirmation, confirmsAhead))
	p.returned = ch.NotifyReturn(make(chan amqp.Return, confirmsAhead))
	p.closed = ch.NotifyClose(make(chan *amqp.Error, 1))
	return nil
}

// publishBatch counts confirms while it publishes, so that neither side waits
// for the other. Messages are mandatory: an exchange confirms what it hands to
// nobody, and a history that was deleted must not go unnoticed.
func (b *RabbitMQ) publishBatch(ctx context.Context, p *publisher, stream string, messages []Message) error {
	counted := make(chan error, 1)
	var counting sync.WaitGroup
	defer counting.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	counting.Go(func() { counted <- p.await(ctx, len(messages)) })
	for _, m := range messages {
		err := p.ch.PublishWithContext(ctx, b.exchange(stream), m.RoutingKey, true, false, amqp.Publishing{
			ContentType: events.ContentType, DeliveryMode: amqp.Persistent,
			MessageId: m.ID, Type: m.Type, Body: m.Body,
		})
		if err != nil {
			return errors.Join(err, p.closing())
		}
	}
	return <-counted
}

// await takes n confirms.
func (p *publisher) await(ctx context.Context, n int) error {
	for range n {
		select {
		case c, open := <-p.confirms:
			if !open {
				return p.why()
			}
			if !c.Ack {
				return errors.New("the broker refused a message")
			}
		case <-ctx.Done():
			return fmt.Errorf("wait for confirms: %w", ctx.Err())
		}
	}
	select { // what was returned was so before it was confirmed
	case r := <-p.returned:
		return fmt.Errorf("the history is gone: %s", r.ReplyText)
	default:
		return nil
	}
}

// closingWithin bounds the wait for the reason of a channel that is found closed: the
// client tells it right after it has closed the channel.
const closingWithin = time.Second

// closing returns why the channel was closed, or nil where that is not told.
func (p *publisher) closing() error {
	timer := time.NewTimer(closingWithin)
	defer timer.Stop()
	select {
	case cause, told := <-p.closed:
		if told && cause != nil {
			return cause
		}
	case <-timer.C:
	}
	return nil
}

// why is closing, or an error that says no more than that the channel is closed.
func (p *publisher) why() error {
	if cause := p.closing(); cause != nil {
		return cause
	}
	return errors.New("channel was closed")
}

// refusesMessage reports whether the broker closed the channel, or the connection,
// because of what a message is. Errors of the client about what it reads, and every
// other reason of the broker, are those of a log that is unavailable.
func refusesMessage(err error) bool {
	var said *amqp.Error
	if !errors.As(err, &said) || !said.Server {
		return false
	}
	switch said.Code {
	case amqp.ContentTooLarge, amqp.PreconditionFailed, // on the channel: larger than max_message_size
		amqp.FrameError, amqp.SyntaxError, amqp.UnexpectedFrame: // on the connection
		return true
	}
	return false
}

func (p *publisher) drop() {
	if p.ch != nil {
		go p.ch.Close() //nolint:errcheck // waits for the broker, which may be the trouble
		p.ch = nil
	}
}
