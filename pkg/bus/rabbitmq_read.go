package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// answerWithin is how long a stream may take to show an event that is there.
const answerWithin = 3 * time.Second

// rabbitSubscription reads one stream on a channel of its own. A pump goroutine
// hands deliveries over, so that what has arrived makes one batch.
type rabbitSubscription struct {
	bus       *RabbitMQ
	ch        *amqp.Channel
	delivered chan Delivery // closed by the pump when the channel breaks
	closed    chan *amqp.Error
	once      sync.Once
	ended     chan struct{} // closed by end
}

// Subscribe is Bus's.
func (b *RabbitMQ) Subscribe(ctx context.Context, stream string, after Position) (Subscription, error) {
	s, err := b.attachAt(ctx, stream, after)
	if err != nil {
		return nil, err // not a nil *rabbitSubscription
	}
	return s, nil
}

func (b *RabbitMQ) attachAt(ctx context.Context, stream string, after Position) (*rabbitSubscription, error) {
	switch {
	case after.IsStart():
		return b.attach(stream, "first", 0)
	case after.ID == AnyEvent:
		return b.attachAfter(ctx, stream, after.Offset)
	}
	s, err := b.attach(stream, after.Offset, after.Offset)
	if err != nil {
		return nil, err
	}
	if err := b.check(ctx, s, stream, after); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// attachAfter reads from the event after offset on, whichever lies there. Beyond
// the end a consumer would never hear anything.
func (b *RabbitMQ) attachAfter(ctx context.Context, stream string, offset int64) (*rabbitSubscription, error) {
	end, err := b.probe(ctx, stream, answerWithin)
	if err != nil {
		return nil, err
	}
	if end.explicit().Offset < offset {
		return nil, fmt.Errorf("%w: %s ends before offset %d", ErrHistoryChanged, stream, offset)
	}
	return b.attach(stream, offset, offset+1)
}

// attach consumes the stream from an x-stream-offset and leaves out what lies
// before least: a chunk may begin before what was asked for.
func (b *RabbitMQ) attach(stream string, from any, least int64) (*rabbitSubscription, error) {
	conn, err := b.read.Connection()
	if err != nil {
		return nil, away(err)
	}
	ch, err := conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("%w: open channel: %w", ErrUnavailable, err)
	}
	s := &rabbitSubscription{
		bus: b, ch: ch, delivered: make(chan Delivery, b.cfg.Prefetch), ended: make(chan struct{}),
		closed: ch.NotifyClose(make(chan *amqp.Error, 1)),
	}
	deliveries, err := s.consume(b.history(stream), from)
	if err != nil {
		_ = ch.Close() // a refused consume has closed it already
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		go ch.Close() //nolint:errcheck // the connection goes too
		return nil, ErrClosed
	}
	b.subs[s] = struct{}{}
	go s.pump(deliveries, least)
	return s, nil
}

func (s *rabbitSubscription) consume(queue string, from any) (<-chan amqp.Delivery, error) {
	if err := s.ch.Qos(s.bus.cfg.Prefetch, 0, false); err != nil {
		return nil, fmt.Errorf("%w: set prefetch: %w", ErrUnavailable, err)
	}
	deliveries, err := s.ch.Consume(queue, "", false, false, false, false, amqp.Table{"x-stream-offset": from})
	var refused *amqp.Error
	switch {
	case errors.As(err, &refused) && refused.Code == amqp.NotFound && strings.Contains(refused.Reason, "no queue"):
		return nil, fmt.Errorf("%w: %s", ErrNoStream, queue) // not one whose node is down, which is NotFound too
	case err != nil:
		return nil, fmt.Errorf("%w: consume %s: %w", ErrUnavailable, queue, err)
	}
	return deliveries, nil
}

// pump hands deliveries over and acknowledges them, which is credit for more and
// has the stream forget nothing: a full buffer stops both. It is the one to close the channel, since an
// acknowledgement that comes after the close would cost the whole connection.
func (s *rabbitSubscription) pump(deliveries <-chan amqp.Delivery, least int64) {
	defer close(s.delivered)
	ackEvery := max(1, s.bus.cfg.Prefetch/10)
	for unacked := 1; ; unacked++ {
		select {
		case d, open := <-deliveries:
			if !open || !s.hand(d, least) {
				s.shut(deliveries)
				return
			}
			if unacked%ackEvery == 0 {
				_ = d.Ack(true) // a channel that is gone closes deliveries
			}
		case <-s.ended:
			s.shut(deliveries)
			return
		}
	}
}

// hand puts a delivery into the buffer; false where the subscription has ended.
func (s *rabbitSubscription) hand(d amqp.Delivery, least int64) bool {
	offset, ok := d.Headers["x-stream-offset"].(int64)
	if !ok || offset < least {
		return true
	}
	select {
	case s.delivered <- Delivery{Offset: offset, ID: identify(d.MessageId, d.Body), Body: d.Body}:
		return true
	case <-s.ended:
		return false
	}
}

// shut closes the channel and lets go of what still arrives.
func (s *rabbitSubscription) shut(deliveries <-chan amqp.Delivery) {
	_ = s.ch.Close() // a channel that broke is closed already
	for range deliveries {
		continue
	}
}

// Next is Subscription's.
func (s *rabbitSubscription) Next(ctx context.Context, max int) ([]Delivery, error) {
	first, err := s.one(ctx)
	if err != nil {
		return nil, err
	}
	batch := append(make([]Delivery, 0, min(max, len(s.delivered)+1)), first)
	for len(batch) < max {
		select {
		case d, open := <-s.delivered:
			if !open {
				return batch, nil // the next call tells
			}
			batch = append(batch, d)
		default:
			return batch, nil
		}
	}
	return batch, nil
}

// one waits for the next delivery.
func (s *rabbitSubscription) one(ctx context.Context) (Delivery, error) {
	select {
	case <-s.ended:
		return Delivery{}, ErrClosed
	default:
	}
	select {
	case d, open := <-s.delivered:
		if !open {
			return Delivery{}, s.why()
		}
		return d, nil
	case <-s.ended:
		return Delivery{}, ErrClosed
	case <-ctx.Done():
		return Delivery{}, ctx.Err()
	}
}

func (s *rabbitSubscription) why() error {
	select {
	case <-s.ended:
		return ErrClosed
	case cause := <-s.closed:
		if cause != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, cause)
		}
	default:
	}
	return fmt.Errorf("%w: the subscription was cancelled by the broker", ErrUnavailable)
}

// Close is Subscription's.
func (s *rabbitSubscription) Close() error {
	s.bus.mu.Lock()
	delete(s.bus.subs, s)
	s.bus.mu.Unlock()
	s.end()
	return nil
}

// end has the pump let go of the channel, without waiting for the broker.
func (s *rabbitSubscription) end() { s.once.Do(func() { close(s.ended) }) }

// check takes the first delivery, which must be the event at the position. A
// stream that shows nothing there may end before it: then its end tells.
func (b *RabbitMQ) check(ctx context.Context, s *rabbitSubscription, stream string, at Position) error {
	wait, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	first, err := s.one(wait)
	switch {
	case err == nil && first.Offset == at.Offset && first.ID == at.ID:
		return nil
	case err == nil:
		return fmt.Errorf("%w: at offset %d of %s was event %s, now the first one is %s at %d",
			ErrHistoryChanged, at.Offset, stream, at.ID, first.ID, first.Offset)
	case ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded):
		return err
	}
	end, err := b.probe(ctx, stream, answerWithin)
	if err != nil {
		return err
	}
	if end.IsStart() || end.Offset < at.Offset {
		return fmt.Errorf("%w: %s ends before offset %d", ErrHistoryChanged, stream, at.Offset)
	}
	return fmt.Errorf("%w: %s does not show offset %d", ErrUnavailable, stream, at.Offset)
}
