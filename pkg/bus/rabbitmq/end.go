package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"quadrille/pkg/bus"
)

// endLookups shares lookups of a stream's end among callers. Log.mu guards it.
type endLookups struct {
	running bool
	next    *endLookup // the lookup that starts next; nil while no caller waits for one
}

// endLookup finds a stream's end once. It sets end and err before it closes done.
type endLookup struct {
	done chan struct{}
	end  bus.Position
	err  error
}

// endTimeout limits one lookup.
const endTimeout = 15 * time.Second

// End implements bus.Bus. Concurrent callers share a lookup that starts after all of
// them have called. The lookup has its own context, so that a caller that gives up does
// not cancel it for the others.
func (l *Log) End(ctx context.Context, stream string) (bus.Position, error) {
	lookup, err := l.joinLookup(stream)
	if err != nil {
		return bus.Position{}, err
	}
	select {
	case <-lookup.done:
		return lookup.end, lookup.err
	case <-ctx.Done():
		return bus.Position{}, ctx.Err()
	}
}

// joinLookup returns the lookup that starts next, and starts it if none runs.
func (l *Log) joinLookup(stream string) (*endLookup, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, bus.ErrClosed
	}
	looks := l.ends[stream]
	if looks == nil {
		looks = &endLookups{}
		l.ends[stream] = looks
	}
	if looks.next == nil {
		looks.next = &endLookup{done: make(chan struct{})}
	}
	next := looks.next
	if !looks.running {
		looks.running = true
		go l.runLookups(stream, looks)
	}
	return next, nil
}

// runLookups performs lookups until no caller waits.
func (l *Log) runLookups(stream string, looks *endLookups) {
	for {
		l.mu.Lock()
		lookup := looks.next
		looks.next, looks.running = nil, lookup != nil
		l.mu.Unlock()
		if lookup == nil {
			return
		}
		ctx, cancel := context.WithTimeout(l.life, endTimeout)
		lookup.end, lookup.err = l.probe(ctx, stream)
		cancel()
		close(lookup.done)
	}
}

// probe finds the stream's last event by reading the last chunk: the message count that
// RabbitMQ reports lags by seconds. It repeats until two reads agree.
func (l *Log) probe(ctx context.Context, stream string) (end bus.Position, err error) {
	conn, err := l.read.Connection()
	if err != nil {
		return bus.Position{}, unavailable(err)
	}
	err = l.withChannel(conn, func(ch *amqp.Channel) error {
		end, err = l.lastEvent(ctx, ch, l.history(stream))
		return err
	})
	switch {
	case errors.Is(err, bus.ErrNoStream):
		return bus.Position{}, nil
	case err != nil:
		return bus.Position{}, err
	}
	return end, nil
}

func (l *Log) lastEvent(ctx context.Context, ch *amqp.Channel, queue string) (bus.Position, error) {
	if err := ch.Qos(maxChunk, 0, false); err != nil {
		return bus.Position{}, brokerError("set the prefetch for", queue, err)
	}
	seen, err := readChunk(ctx, ch, queue, "last")
	for err == nil && seen.n > 0 {
		var again chunk
		again, err = readChunk(ctx, ch, queue, seen.last)
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

// lastEventBefore finds the last event before an offset, after which the stream holds
// only markers. It reads backwards in growing steps.
func lastEventBefore(ctx context.Context, ch *amqp.Channel, queue string, offset int64) (bus.Position, error) {
	for span := int64(1); offset > 0; span = min(2*span, maxChunk/2) {
		from := max(0, offset-span)
		seen, err := readChunk(ctx, ch, queue, from)
		if err != nil || !seen.event.IsStart() || seen.first >= offset {
			return seen.event, err
		}
		offset = from
	}
	return bus.Position{}, nil
}

// chunk summarises the messages that one read returned.
type chunk struct {
	n           int
	first, last int64        // offsets, including those of markers
	event       bus.Position // of the last event; zero if there were only markers
}

const (
	// maxChunk limits the deliveries of one read.
	maxChunk = 1000
	// emptyCheck is the time without a delivery after which a stream with a message
	// count of 0 is considered empty.
	emptyCheck = 500 * time.Millisecond
)

// readChunk reads up to maxChunk messages of the stream from an offset on. RabbitMQ
// delivers what the stream holds before it answers the cancel, because it reads inside
// the channel's process; so the result does not depend on how fast deliveries arrive.
func readChunk(ctx context.Context, ch *amqp.Channel, queue string, from any) (seen chunk, err error) {
	tag := fmt.Sprintf("chunk-%v", from)
	deliveries, err := consume(ch, queue, tag, from)
	if err != nil {
		return seen, err
	}
	first, shown, err := firstDelivery(ctx, ch, queue, deliveries)
	if err != nil {
		return seen, err
	}
	if err := ch.Cancel(tag, false); err != nil {
		return seen, fmt.Errorf("%w: cancel a consumer of %s: %w", bus.ErrUnavailable, queue, err)
	}
	if shown {
		seen.add(first)
	}
	for d := range deliveries { // the client library closes it after the last one
		seen.add(d)
	}
	return seen, nil
}

// firstDelivery waits for a stream's first delivery. shown is false if the stream is
// empty.
func firstDelivery(ctx context.Context, ch *amqp.Channel, queue string, deliveries <-chan amqp.Delivery) (first amqp.Delivery, shown bool, err error) {
	look := time.NewTicker(emptyCheck)
	defer look.Stop()
	giveUp := time.NewTimer(2 * answerTimeout)
	defer giveUp.Stop()
	for {
		select {
		case d, open := <-deliveries:
			if !open {
				return first, false, fmt.Errorf("%w: the broker cancelled a consumer of %s", bus.ErrUnavailable, queue)
			}
			return d, true, nil
		case <-look.C:
			q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
			if err != nil {
				return first, false, brokerError("look at", queue, err)
			}
			if q.Messages == 0 {
				return first, false, nil
			}
		case <-giveUp.C:
			return first, false, fmt.Errorf("%w: %s does not show what it holds", bus.ErrUnavailable, queue)
		case <-ctx.Done():
			return first, false, fmt.Errorf("%w: look for the end of %s: %w", bus.ErrUnavailable, queue, ctx.Err())
		}
	}
}

// add counts a delivery and keeps the position of an event.
func (g *chunk) add(d amqp.Delivery) {
	offset, ok := d.Headers[streamOffset].(int64)
	if !ok {
		return
	}
	if g.n == 0 {
		g.first = offset
	}
	g.n, g.last = g.n+1, offset
	if d.Type != markerType {
		g.event = bus.Position{Offset: offset, ID: bus.Identify(d.MessageId, d.Body)}
	}
}

// Since implements bus.Bus. RabbitMQ looks up the chunk that was written at t, in whole
// seconds of its own clock.
func (l *Log) Since(ctx context.Context, stream string, t time.Time) (int64, error) {
	s, err := l.attach(stream, t.Add(-time.Second), 0)
	if err != nil {
		return 0, err
	}
	defer s.Close() //nolint:errcheck // returns nil
	waiting, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	first, err := s.one(waiting)
	switch {
	case err == nil:
		return first.Offset, nil
	case ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded):
		return 0, err
	}
	end, err := l.End(ctx, stream)
	return end.LastOffset() + 1, err
}
