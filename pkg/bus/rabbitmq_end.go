package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// endLooks shares looks at a stream's end among callers. RabbitMQ.mu guards it.
type endLooks struct {
	running bool
	next    *endLook // the look that begins next; nil while nobody waits for one
}

// endLook is one look at a stream's end. end and err are set before done is closed.
type endLook struct {
	done chan struct{}
	end  Position
	err  error
}

// endWithin bounds one look.
const endWithin = 15 * time.Second

// End is Bus's. Callers share a look that began after each of them had asked. The
// look has a context of its own: a caller that gives up takes nothing from the others.
func (b *RabbitMQ) End(ctx context.Context, stream string) (Position, error) {
	l, err := b.nextLook(stream)
	if err != nil {
		return Position{}, err
	}
	select {
	case <-l.done:
		return l.end, l.err
	case <-ctx.Done():
		return Position{}, ctx.Err()
	}
}

func (b *RabbitMQ) nextLook(stream string) (*endLook, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, ErrClosed
	}
	looks := b.ends[stream]
	if looks == nil {
		looks = &endLooks{}
		b.ends[stream] = looks
	}
	if looks.next == nil {
		looks.next = &endLook{done: make(chan struct{})}
	}
	next := looks.next
	if !looks.running {
		looks.running = true
		go b.runLooks(stream, looks)
	}
	return next, nil
}

// runLooks looks until nobody waits.
func (b *RabbitMQ) runLooks(stream string, looks *endLooks) {
	for {
		b.mu.Lock()
		l := looks.next
		looks.next, looks.running = nil, l != nil
		b.mu.Unlock()
		if l == nil {
			return
		}
		ctx, cancel := context.WithTimeout(b.life, endWithin)
		l.end, l.err = b.probe(ctx, stream)
		cancel()
		close(l.done)
	}
}

// probe finds the stream's last event. The message count of a stream lags by
// seconds, so probe reads the last chunk. It looks twice and goes on until two
// looks agree.
func (b *RabbitMQ) probe(ctx context.Context, stream string) (end Position, err error) {
	conn, err := b.read.Connection()
	if err != nil {
		return Position{}, away(err)
	}
	err = b.onChannel(conn, func(ch *amqp.Channel) error {
		end, err = b.lastEvent(ctx, ch, b.history(stream))
		return err
	})
	switch {
	case errors.Is(err, ErrNoStream):
		return Position{}, nil
	case err != nil:
		return Position{}, err
	}
	return end, nil
}

func (b *RabbitMQ) lastEvent(ctx context.Context, ch *amqp.Channel, queue string) (Position, error) {
	if err := ch.Qos(glanceAtMost, 0, false); err != nil {
		return Position{}, refusal("set the prefetch for", queue, err)
	}
	seen, err := glance(ctx, ch, queue, "last")
	for err == nil && seen.n > 0 {
		var again glimpse
		again, err = glance(ctx, ch, queue, seen.last)
		if err != nil || again.last == seen.last {
			break
		}
		if again.event.IsStart() {
			again.event = seen.event
		}
		again.first = seen.first
		seen = again
	}
	if err != nil || seen.n == 0 || !seen.event.IsStart() {
		return seen.event, err
	}
	return lastEventBefore(ctx, ch, queue, seen.first)
}

// lastEventBefore finds the last event before an offset from which on there are
// only markers.
func lastEventBefore(ctx context.Context, ch *amqp.Channel, queue string, offset int64) (Position, error) {
	for span := int64(1); offset > 0; span = min(2*span, glanceAtMost/2) {
		from := max(0, offset-span)
		seen, err := glance(ctx, ch, queue, from)
		if err != nil || !seen.event.IsStart() || seen.first >= offset {
			return seen.event, err
		}
		offset = from
	}
	return Position{}, nil
}

// glimpse is what one glance at a stream saw.
type glimpse struct {
	n           int
	first, last int64    // offsets, of markers too
	event       Position // the last one; the zero Position where there were only markers
}

const (
	// glanceAtMost is how many deliveries a glance takes, at the most.
	glanceAtMost = 1000
	// emptyAfter is how long a stream whose message count is 0 may show nothing
	// before it is taken for empty.
	emptyAfter = 500 * time.Millisecond
)

// glance reads what the stream holds from an offset on, up to glanceAtMost
// messages. RabbitMQ reads on behalf of a consumer inside the channel's process, so
// that whatever was there is delivered before it answers a cancel: the end does not
// depend on how fast deliveries arrive.
func glance(ctx context.Context, ch *amqp.Channel, queue string, from any) (seen glimpse, err error) {
	tag := fmt.Sprintf("glance-%v", from)
	deliveries, err := consume(ch, queue, tag, from)
	if err != nil {
		return seen, err
	}
	first, shown, err := firstShown(ctx, ch, queue, deliveries)
	if err != nil {
		return seen, err
	}
	if err := ch.Cancel(tag, false); err != nil {
		return seen, fmt.Errorf("%w: cancel a consumer of %s: %w", ErrUnavailable, queue, err)
	}
	if shown {
		seen.add(first)
	}
	for d := range deliveries { // the client closes it after the last one
		seen.add(d)
	}
	return seen, nil
}

// firstShown waits for a stream's first delivery. shown is false where the stream is
// empty.
func firstShown(ctx context.Context, ch *amqp.Channel, queue string, deliveries <-chan amqp.Delivery) (first amqp.Delivery, shown bool, err error) {
	look := time.NewTicker(emptyAfter)
	defer look.Stop()
	giveUp := time.NewTimer(2 * answerWithin)
	defer giveUp.Stop()
	for {
		select {
		case d, open := <-deliveries:
			if !open {
				return first, false, fmt.Errorf("%w: the broker cancelled a consumer of %s", ErrUnavailable, queue)
			}
			return d, true, nil
		case <-look.C:
			q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
			if err != nil {
				return first, false, refusal("look at", queue, err)
			}
			if q.Messages == 0 {
				return first, false, nil
			}
		case <-giveUp.C:
			return first, false, fmt.Errorf("%w: %s does not show what it holds", ErrUnavailable, queue)
		case <-ctx.Done():
			return first, false, fmt.Errorf("%w: look for the end of %s: %w", ErrUnavailable, queue, ctx.Err())
		}
	}
}

func (g *glimpse) add(d amqp.Delivery) {
	offset, ok := d.Headers[streamOffset].(int64)
	if !ok {
		return
	}
	if g.n == 0 {
		g.first = offset
	}
	g.n, g.last = g.n+1, offset
	if d.Type != markerType {
		g.event = Position{Offset: offset, ID: identify(d.MessageId, d.Body)}
	}
}

// Since is Bus's. RabbitMQ finds the chunk that was written at t; its clock has
// whole seconds.
func (b *RabbitMQ) Since(ctx context.Context, stream string, t time.Time) (int64, error) {
	s, err := b.attach(stream, t.Add(-time.Second), 0)
	if err != nil {
		return 0, err
	}
	defer s.Close() //nolint:errcheck // returns nil
	waiting, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	first, err := s.one(waiting)
	switch {
	case err == nil:
		return first.Offset, nil
	case ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded):
		return 0, err
	}
	end, err := b.End(ctx, stream)
	return end.explicit().Offset + 1, err
}
