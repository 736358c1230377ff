package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"quadrille/pkg/bus"
)

const (
	// answerTimeout limits the wait for the first delivery of an event that exists.
	answerTimeout = 3 * time.Second
	// streamOffset names the header of a delivery that holds its offset, and the consumer
	// argument that selects the first one.
	streamOffset = "x-stream-offset"
)

// subscription reads one stream on its own channel. Its pump goroutine buffers
// deliveries, so that Next can return all that have arrived. It implements
// bus.Subscription.
type subscription struct {
	log       *Log
	ch        *amqp.Channel
	delivered chan bus.Delivery // closed by the pump when the channel breaks
	cause     error             // why the pump ended the subscription; set before delivered is closed
	closed    chan *amqp.Error
	once      sync.Once
	ended     chan struct{} // closed by end
}

// Subscribe implements bus.Bus.
func (l *Log) Subscribe(ctx context.Context, stream string, after bus.Position) (bus.Subscription, error) {
	s, err := l.attachAt(ctx, stream, after)
	if err != nil {
		return nil, err // not a nil *subscription
	}
	return s, nil
}

// attachAt subscribes after a position and checks it.
func (l *Log) attachAt(ctx context.Context, stream string, after bus.Position) (*subscription, error) {
	switch {
	case after.IsStart():
		return l.attach(stream, "first", 0)
	case after.ID == bus.AnyEvent:
		return l.attachAfter(ctx, stream, after.Offset)
	}
	s, err := l.attach(stream, after.Offset, after.Offset)
	if err != nil {
		return nil, err
	}
	if err := l.check(ctx, s, stream, after); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// attachAfter subscribes after an offset, whatever event lies there. It refuses an offset
// beyond the end, from which RabbitMQ would never deliver anything.
func (l *Log) attachAfter(ctx context.Context, stream string, offset int64) (*subscription, error) {
	if err := l.reaches(ctx, stream, bus.Position{Offset: offset, ID: bus.AnyEvent}); err != nil {
		return nil, err
	}
	return l.attach(stream, offset, offset+1)
}

// reaches returns nil if the stream holds an event at or after the position's offset,
// bus.ErrHistoryChanged if it provably ends before, and bus.ErrUnavailable otherwise.
func (l *Log) reaches(ctx context.Context, stream string, at bus.Position) error {
	end, err := l.End(ctx, stream)
	if err != nil || end.LastOffset() >= at.Offset {
		return err
	}
	ends, err := l.endsBefore(ctx, stream, at)
	switch {
	case err != nil:
		return err
	case ends:
		return fmt.Errorf("%w: %s ends before offset %d", bus.ErrHistoryChanged, stream, at.Offset)
	}
	return fmt.Errorf("%w: %s does not show offset %d yet", bus.ErrUnavailable, stream, at.Offset)
}

// attach consumes the stream from an x-stream-offset and skips offsets below least:
// RabbitMQ delivers whole chunks, and a chunk may begin earlier.
func (l *Log) attach(stream string, from any, least int64) (*subscription, error) {
	conn, err := l.read.Connection()
	if err != nil {
		return nil, unavailable(err)
	}
	ch, err := conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("%w: open channel: %w", bus.ErrUnavailable, err)
	}
	s := &subscription{
		log: l, ch: ch, delivered: make(chan bus.Delivery, l.cfg.Prefetch), ended: make(chan struct{}),
		closed: ch.NotifyClose(make(chan *amqp.Error, 1)),
	}
	deliveries, err := s.consume(l.history(stream), from)
	if err != nil {
		_ = ch.Close() // a refused consume has already closed it
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		go ch.Close() //nolint:errcheck // the connection closes, too
		return nil, bus.ErrClosed
	}
	l.subs[s] = struct{}{}
	go s.pump(deliveries, least)
	return s, nil
}

func (s *subscription) consume(queue string, from any) (<-chan amqp.Delivery, error) {
	if err := s.ch.Qos(s.log.cfg.Prefetch, 0, false); err != nil {
		return nil, fmt.Errorf("%w: set prefetch: %w", bus.ErrUnavailable, err)
	}
	return consume(s.ch, queue, "", from)
}

// consume starts a consumer at an x-stream-offset. RabbitMQ refuses it for a queue that
// is not a stream.
func consume(ch *amqp.Channel, queue, tag string, from any) (<-chan amqp.Delivery, error) {
	deliveries, err := ch.Consume(queue, tag, false, false, false, false, amqp.Table{streamOffset: from})
	var amqpErr *amqp.Error
	switch {
	case errors.As(err, &amqpErr) && amqpErr.Code == amqp.NotFound && strings.Contains(amqpErr.Reason, "no queue"):
		return nil, fmt.Errorf("%w: %s", bus.ErrNoStream, queue) // a queue whose node is down is NotFound, too
	case err != nil:
		return nil, brokerError("read", queue, err)
	}
	return deliveries, nil
}

// pump buffers deliveries and acknowledges them, which gives the broker credit for more
// and removes nothing from the stream. It closes the channel itself, because an
// acknowledgement after the close would end the whole connection.
func (s *subscription) pump(deliveries <-chan amqp.Delivery, least int64) {
	defer close(s.delivered)
	acks := newAcker(s.ch, max(1, s.log.cfg.Prefetch/10))
	defer acks.timer.Stop()
	for {
		select {
		case d, open := <-deliveries:
			if !open || !s.deliver(d, least, acks) {
				s.closeChannel(deliveries)
				return
			}
			acks.took(d)
		case <-acks.timer.C:
			acks.flush()
		case <-s.ended:
			s.closeChannel(deliveries)
			return
		}
	}
}

// deliver buffers a delivery. It returns false once the subscription has ended.
func (s *subscription) deliver(d amqp.Delivery, least int64, acks *acker) bool {
	offset, ok := d.Headers[streamOffset].(int64)
	if !ok || offset < least || d.Type == markerType {
		return true
	}
	event := bus.Delivery{Offset: offset, ID: bus.Identify(d.MessageId, d.Body), Body: d.Body}
	select {
	case s.delivered <- event:
		return true
	default:
	}
	acks.flush()
	return s.deliverBlocking(event)
}

// deliverBlocking waits for room in the buffer. It ends the subscription if the consumer
// reads nothing within StallTimeout: the broker closes a channel whose deliveries stay
// unacknowledged for too long (consumer_timeout).
func (s *subscription) deliverBlocking(event bus.Delivery) bool {
	stalled := time.NewTimer(s.log.cfg.StallTimeout)
	defer stalled.Stop()
	select {
	case s.delivered <- event:
		return true
	case <-stalled.C:
		s.cause = bus.ErrStalled
		return false
	case <-s.ended:
		return false
	}
}

// ackDelay limits the time for which a buffered delivery stays unacknowledged.
const ackDelay = time.Second

// acker acknowledges every n-th delivery with all before it, and the rest within
// ackDelay.
type acker struct {
	ch    *amqp.Channel
	every int
	n     int    // buffered and not acknowledged
	last  uint64 // delivery tag of the last of them
	timer *time.Timer
}

func newAcker(ch *amqp.Channel, every int) *acker {
	a := &acker{ch: ch, every: every, timer: time.NewTimer(ackDelay)}
	a.timer.Stop()
	return a
}

func (a *acker) took(d amqp.Delivery) {
	if a.n == 0 {
		a.timer.Reset(ackDelay)
	}
	a.n, a.last = a.n+1, d.DeliveryTag
	if a.n >= a.every {
		a.flush()
	}
}

func (a *acker) flush() {
	a.timer.Stop()
	if a.n > 0 {
		_ = a.ch.Ack(a.last, true) // a closed channel also closes deliveries
	}
	a.n = 0
}

// closeChannel closes the channel and discards what still arrives.
func (s *subscription) closeChannel(deliveries <-chan amqp.Delivery) {
	_ = s.ch.Close() // a broken channel is closed already
	for range deliveries {
		continue
	}
}

// Next implements bus.Subscription.
func (s *subscription) Next(ctx context.Context, max int) ([]bus.Delivery, error) {
	first, err := s.one(ctx)
	if err != nil {
		return nil, err
	}
	batch := append(make([]bus.Delivery, 0, min(max, len(s.delivered)+1)), first)
	for len(batch) < max {
		select {
		case d, open := <-s.delivered:
			if !open {
				return batch, nil // the next call returns the error
			}
			batch = append(batch, d)
		default:
			return batch, nil
		}
	}
	return batch, nil
}

// one waits for the next delivery.
func (s *subscription) one(ctx context.Context) (bus.Delivery, error) {
	select {
	case <-s.ended:
		return bus.Delivery{}, bus.ErrClosed
	default:
	}
	select {
	case d, open := <-s.delivered:
		if !open {
			return bus.Delivery{}, s.closeError()
		}
		return d, nil
	case <-s.ended:
		return bus.Delivery{}, bus.ErrClosed
	case <-ctx.Done():
		return bus.Delivery{}, ctx.Err()
	}
}

// closeError returns the reason for the end of the subscription.
func (s *subscription) closeError() error {
	if s.cause != nil {
		return s.cause
	}
	select {
	case <-s.ended:
		return bus.ErrClosed
	case cause := <-s.closed:
		if cause != nil {
			return fmt.Errorf("%w: %w", bus.ErrUnavailable, cause)
		}
	default:
	}
	return fmt.Errorf("%w: the subscription was cancelled by the broker", bus.ErrUnavailable)
}

// Close implements bus.Subscription.
func (s *subscription) Close() error {
	s.log.mu.Lock()
	delete(s.log.subs, s)
	s.log.mu.Unlock()
	s.end()
	return nil
}

// end makes the pump close the channel, and does not wait for the broker.
func (s *subscription) end() { s.once.Do(func() { close(s.ended) }) }

// check reads the first delivery, which must be the event at the position. If none
// arrives, the stream ends before the position, or the broker is slow.
func (l *Log) check(ctx context.Context, s *subscription, stream string, at bus.Position) error {
	wait, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	first, err := s.one(wait)
	switch {
	case err == nil && first.Offset == at.Offset && first.ID == at.ID:
		return nil
	case err == nil:
		return fmt.Errorf("%w: at offset %d of %s was event %s, now the first one is %s at %d",
			bus.ErrHistoryChanged, at.Offset, stream, at.ID, first.ID, first.Offset)
	case ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded):
		return err
	}
	if err := l.reaches(ctx, stream, at); err != nil {
		return err
	}
	return fmt.Errorf("%w: %s does not show offset %d", bus.ErrUnavailable, stream, at.Offset)
}
