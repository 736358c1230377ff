package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"quadrille/pkg/bus"
)

// Verify implements bus.Bus. It checks the types of exchange and history, and restores a
// missing exchange or binding.
func (l *Log) Verify(ctx context.Context, stream string, newest bus.Published, after bus.Position) (bus.Position, error) {
	p := l.publisher(stream)
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return bus.Position{}, fmt.Errorf("%w: %w", bus.ErrUnavailable, ctx.Err())
	}
	p.verified = true
	conn, err := l.publish.Connection()
	if err != nil {
		return bus.Position{}, unavailable(err)
	}
	if err := l.withChannel(conn, func(ch *amqp.Channel) error { return requireHistory(ch, l.history(stream)) }); err != nil {
		return bus.Position{}, err
	}
	if err := l.declare(conn, stream); err != nil {
		return bus.Position{}, err
	}
	at, err := l.find(ctx, stream, newest, after)
	if !errors.Is(err, bus.ErrEventsMissing) {
		return at, err
	}
	// A replica may lag. Once it delivers a marker, it has all that was confirmed before.
	if _, err := l.mark(ctx, stream); err != nil {
		return bus.Position{}, fmt.Errorf("verify %s: %w", l.history(stream), err)
	}
	return l.find(ctx, stream, newest, after)
}

// requireHistory returns bus.ErrNoStream if the queue does not exist.
func requireHistory(ch *amqp.Channel, queue string) error {
	_, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
	var amqpErr *amqp.Error
	switch {
	case errors.As(err, &amqpErr) && amqpErr.Code == amqp.NotFound:
		return fmt.Errorf("%w: %s", bus.ErrNoStream, queue)
	case err != nil:
		return brokerError("look at", queue, err)
	}
	return nil
}

// maxClockSkew limits the supported difference between the clocks of publishers and broker.
const maxClockSkew = 5 * time.Minute

// find searches an event after a position or, if that is zero, among the messages written
// since the event was published.
func (l *Log) find(ctx context.Context, stream string, newest bus.Published, after bus.Position) (bus.Position, error) {
	end, err := l.End(ctx, stream)
	if err != nil || after == end && (newest.ID == "" || newest.ID == end.ID) {
		return end, err
	}
	if after.IsStart() {
		if newest.ID == "" || newest.ID == end.ID {
			return end, nil
		}
		s, err := l.attach(stream, newest.At.Add(-maxClockSkew), 0)
		if err != nil {
			return bus.Position{}, err
		}
		return search(ctx, s, stream, newest, end)
	}
	s, err := l.attachAt(ctx, stream, after) // checks that the event at after is still there
	switch {
	case err != nil:
		return bus.Position{}, err
	case newest.ID == "" || newest.ID == end.ID:
		return end, s.Close()
	case newest.ID == after.ID:
		return after, s.Close()
	}
	return search(ctx, s, stream, newest, end)
}

// search reads up to end, returns the event's position, and closes the subscription.
func search(ctx context.Context, s *subscription, stream string, newest bus.Published, end bus.Position) (bus.Position, error) {
	defer s.Close() //nolint:errcheck // returns nil
	for at := int64(bus.BeforeFirst); at < end.LastOffset(); {
		waiting, cancel := context.WithTimeout(ctx, answerTimeout)
		found, err := s.Next(waiting, maxChunk)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			break // no message was written since then
		}
		if err != nil {
			return bus.Position{}, err
		}
		for _, d := range found {
			if at = d.Offset; d.ID == newest.ID {
				return bus.Position{Offset: d.Offset, ID: d.ID}, nil
			}
		}
	}
	return bus.Position{}, newest.Missing(stream)
}
