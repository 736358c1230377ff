package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Verify is Bus's. It checks the types of exchange and history, and restores the
// exchange and the binding.
func (b *RabbitMQ) Verify(ctx context.Context, stream string, newest Published, after Position) (Position, error) {
	p := b.publisher(stream)
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return Position{}, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
	p.verified = true
	conn, err := b.publish.Connection()
	if err != nil {
		return Position{}, away(err)
	}
	if err := b.onChannel(conn, func(ch *amqp.Channel) error { return historyIsThere(ch, b.history(stream)) }); err != nil {
		return Position{}, err
	}
	if err := b.declare(conn, stream); err != nil {
		return Position{}, err
	}
	at, err := b.find(ctx, stream, newest, after)
	if !errors.Is(err, ErrEventsMissing) {
		return at, err
	}
	// A replica may lag behind. One that shows a marker has all that was confirmed before.
	if _, err := b.mark(ctx, stream); err != nil {
		return Position{}, fmt.Errorf("verify %s: %w", b.history(stream), err)
	}
	return b.find(ctx, stream, newest, after)
}

// historyIsThere returns ErrNoStream where there is no queue of the name.
func historyIsThere(ch *amqp.Channel, queue string) error {
	_, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
	var refused *amqp.Error
	switch {
	case errors.As(err, &refused) && refused.Code == amqp.NotFound:
		return fmt.Errorf("%w: %s", ErrNoStream, queue)
	case err != nil:
		return refusal("look at", queue, err)
	}
	return nil
}

// clocksDiffer is how far the clocks of publishers and broker may be apart.
const clocksDiffer = 5 * time.Minute

// find looks for an event behind a position, or, where there is none, among what was
// written since the event was published.
func (b *RabbitMQ) find(ctx context.Context, stream string, newest Published, after Position) (Position, error) {
	end, err := b.End(ctx, stream)
	if err != nil || after == end && (newest.ID == "" || newest.ID == end.ID) {
		return end, err
	}
	if after.IsStart() {
		if newest.ID == "" || newest.ID == end.ID {
			return end, nil
		}
		s, err := b.attach(stream, newest.At.Add(-clocksDiffer), 0)
		if err != nil {
			return Position{}, err
		}
		return search(ctx, s, stream, newest, end)
	}
	s, err := b.attachAt(ctx, stream, after) // makes sure that after is still there
	switch {
	case err != nil:
		return Position{}, err
	case newest.ID == "" || newest.ID == end.ID:
		return end, s.Close()
	case newest.ID == after.ID:
		return after, s.Close()
	}
	return search(ctx, s, stream, newest, end)
}

// search reads up to the end, and closes the subscription.
func search(ctx context.Context, s *rabbitSubscription, stream string, newest Published, end Position) (Position, error) {
	defer s.Close() //nolint:errcheck // returns nil
	for at := int64(beforeFirst); at < end.explicit().Offset; {
		waiting, cancel := context.WithTimeout(ctx, answerWithin)
		found, err := s.Next(waiting, glanceAtMost)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			break // nothing was written since then
		}
		if err != nil {
			return Position{}, err
		}
		for _, d := range found {
			if at = d.Offset; d.ID == newest.ID {
				return Position{Offset: d.Offset, ID: d.ID}, nil
			}
		}
	}
	return Position{}, missing(stream, newest)
}

func missing(stream string, newest Published) error {
	return fmt.Errorf("%w: event %s, published to %s at %s", ErrEventsMissing, newest.ID, stream, newest.At.UTC().Format(time.RFC3339))
}
