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

const (
	// answerWithin is how long a stream may take to show an event that is there.
	answerWithin = 3 * time.Second
	// streamOffset is the header that holds an event's offset, and the argument that
	// says from which one on to read.
	streamOffset = "x-stream-offset"
)

// errLetGo ends a subscription whose reader took nothing for a while. The reader
// subscribes again when it needs more.
var errLetGo = fmt.Errorf("%w: the reader took nothing for a while, so the subscription was let go", ErrUnavailable)

// rabbitSubscription reads one stream on a channel of its own. A pump goroutine
// hands deliveries over, so that what has arrived makes one batch.
type rabbitSubscription struct {
	bus       *RabbitMQ
	ch        *amqp.Channel
	delivered chan Delivery // closed by the pump when the channel breaks
	cause     error         // why the pump ended the subscription; set before delivered is closed
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
	if err := b.reaches(ctx, stream, Position{Offset: offset, ID: AnyEvent}); err != nil {
		return nil, err
	}
	return b.attach(stream, offset, offset+1)
}

// reaches returns nil if the stream holds an event at the position's offset or beyond
// it, and ErrHistoryChanged if it certainly ends before.
func (b *RabbitMQ) reaches(ctx context.Context, stream string, at Position) error {
	end, err := b.End(ctx, stream)
	if err != nil || end.explicit().Offset >= at.Offset {
		return err
	}
	lacks, err := b.lacks(ctx, stream, at)
	switch {
	case err != nil:
		return err
	case lacks:
		return fmt.Errorf("%w: %s ends before offset %d", ErrHistoryChanged, stream, at.Offset)
	}
	return fmt.Errorf("%w: %s does not show offset %d yet", ErrUnavailable, stream, at.Offset)
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
	return consume(s.ch, queue, "", from)
}

// consume reads a history from an x-stream-offset on. RabbitMQ refuses that for a
// queue that is no stream.
func consume(ch *amqp.Channel, queue, tag string, from any) (<-chan amqp.Delivery, error) {
	deliveries, err := ch.Consume(queue, tag, false, false, false, false, amqp.Table{streamOffset: from})
	var refused *amqp.Error
	switch {
	case errors.As(err, &refused) && refused.Code == amqp.NotFound && strings.Contains(refused.Reason, "no queue"):
		return nil, fmt.Errorf("%w: %s", ErrNoStream, queue) // not one whose node is down, which is NotFound too
	case err != nil:
		return nil, refusal("read", queue, err)
	}
	return deliveries, nil
}

// pump hands deliveries over and acknowledges them, which is credit for more and
// has the stream forget nothing. It closes the channel itself, since an
// acknowledgement after the close would cost the whole connection.
func (s *rabbitSubscription) pump(deliveries <-chan amqp.Delivery, least int64) {
	defer close(s.delivered)
	acks := newAcker(s.ch, max(1, s.bus.cfg.Prefetch/10))
	defer acks.timer.Stop()
	for {
		select {
		case d, open := <-deliveries:
			if !open || !s.hand(d, least, acks) {
				s.shut(deliveries)
				return
			}
			acks.took(d)
		case <-acks.timer.C:
			acks.flush()
		case <-s.ended:
			s.shut(deliveries)
			return
		}
	}
}

// hand puts a delivery into the buffer; false where the subscription has ended.
func (s *rabbitSubscription) hand(d amqp.Delivery, least int64, acks *acker) bool {
	offset, ok := d.Headers[streamOffset].(int64)
	if !ok || offset < least || d.Type == markerType {
		return true
	}
	event := Delivery{Offset: offset, ID: identify(d.MessageId, d.Body), Body: d.Body}
	select {
	case s.delivered <- event:
		return true
	default:
	}
	acks.flush()
	return s.wait(event)
}

// wait puts an event into a full buffer. It lets the subscription go where the reader
// takes nothing for too long: what the broker has delivered meanwhile and nobody
// acknowledges would make it close the channel (consumer_timeout).
func (s *rabbitSubscription) wait(event Delivery) bool {
	tooLong := time.NewTimer(s.bus.cfg.LetGo)
	defer tooLong.Stop()
	select {
	case s.delivered <- event:
		return true
	case <-tooLong.C:
		s.cause = errLetGo
		return false
	case <-s.ended:
		return false
	}
}

// ackWithin is how long a delivery that was handed over may stay unacknowledged.
const ackWithin = time.Second

// acker acknowledges deliveries: a number of them at a time, and those that are
// left within ackWithin.
type acker struct {
	ch    *amqp.Channel
	every int
	n     int    // handed over and not acknowledged
	last  uint64 // delivery tag of the last of them
	timer *time.Timer
}

func newAcker(ch *amqp.Channel, every int) *acker {
	a := &acker{ch: ch, every: every, timer: time.NewTimer(ackWithin)}
	a.timer.Stop()
	return a
}

func (a *acker) took(d amqp.Delivery) {
	if a.n == 0 {
		a.timer.Reset(ackWithin)
	}
	a.n, a.last = a.n+1, d.DeliveryTag
	if a.n >= a.every {
		a.flush()
	}
}

func (a *acker) flush() {
	a.timer.Stop()
	if a.n > 0 {
		_ = a.ch.Ack(a.last, true) // a channel that is gone closes deliveries
	}
	a.n = 0
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
	if s.cause != nil {
		return s.cause
	}
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

// check takes the first delivery, which must be the event at the position. Where the
// stream shows nothing, it may end before the position, or be slow.
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
	if err := b.reaches(ctx, stream, at); err != nil {
		return err
	}
	return fmt.Errorf("%w: %s does not show offset %d", ErrUnavailable, stream, at.Offset)
}
