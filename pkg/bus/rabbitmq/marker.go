package rabbitmq

import (
	"context"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"quadrille/pkg/events"

	"quadrille/pkg/bus"
)

// markerType is the type of messages that mark a history's end. Subscriptions skip them.
const markerType = "quadrille.marker"

// endsBefore reports whether the history ends before a position. Receiving nothing proves
// nothing: the broker may be slow, and a replica may lag. Therefore endsBefore publishes a
// marker and reads it back; its offset is above that of every event confirmed before. It
// remembers the last position of each stream that it found missing.
func (l *Log) endsBefore(ctx context.Context, stream string, at bus.Position) (bool, error) {
	l.mu.Lock()
	known := l.absent[stream] == at
	l.mu.Unlock()
	if known {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	end, err := l.mark(ctx, stream)
	if err != nil {
		return false, fmt.Errorf("find out whether %s ends before offset %d: %w", l.history(stream), at.Offset, err)
	}
	if end > at.Offset {
		return false, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.absent[stream] = at
	return true, nil
}

// mark publishes a marker and returns the offset at which it is read back.
func (l *Log) mark(ctx context.Context, stream string) (offset int64, err error) {
	conn, err := l.read.Connection()
	if err != nil {
		return 0, unavailable(err)
	}
	err = l.withChannel(conn, func(ch *amqp.Channel) error {
		if err := ch.Qos(maxChunk, 0, false); err != nil {
			return brokerError("set the prefetch for", l.history(stream), err)
		}
		deliveries, err := consume(ch, l.history(stream), "marker", "next")
		if err != nil {
			return err
		}
		id, err := l.publishMarker(ctx, stream)
		if err != nil {
			return err
		}
		offset, err = awaitMarker(ctx, deliveries, id)
		return err
	})
	return offset, err
}

// publishMarker publishes a marker to the history queue directly, so that no other queue
// of the exchange receives it. It returns the marker's ID.
func (l *Log) publishMarker(ctx context.Context, stream string) (id string, err error) {
	if err := l.publish.State(); err != nil {
		return "", unavailable(err)
	}
	conn, err := l.publish.Connection()
	if err != nil {
		return "", unavailable(err)
	}
	e := events.New(markerType, stream, 1, "")
	body, err := e.Encode()
	if err != nil {
		return "", err
	}
	return e.ID, l.withChannel(conn, func(ch *amqp.Channel) error {
		if err := ch.Confirm(false); err != nil {
			return fmt.Errorf("%w: ask for confirms: %w", bus.ErrUnavailable, err)
		}
		returned := ch.NotifyReturn(make(chan amqp.Return, 1))
		confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", l.history(stream), true, false, amqp.Publishing{
			ContentType: events.ContentType, DeliveryMode: amqp.Persistent, MessageId: e.ID, Type: e.Type, Body: body,
		})
		if err != nil {
			return fmt.Errorf("%w: write a marker: %w", bus.ErrUnavailable, err)
		}
		confirmed, err := confirm.WaitContext(ctx)
		if err != nil || !confirmed {
			return fmt.Errorf("%w: the marker was not confirmed: %w", bus.ErrUnavailable, err)
		}
		select {
		case <-returned:
			return fmt.Errorf("%w: %s", bus.ErrNoStream, l.history(stream))
		default:
			return nil
		}
	})
}

// awaitMarker reads deliveries until the marker arrives and returns its offset.
func awaitMarker(ctx context.Context, deliveries <-chan amqp.Delivery, id string) (offset int64, err error) {
	for n := 1; ; n++ {
		select {
		case d, open := <-deliveries:
			if !open {
				return 0, fmt.Errorf("%w: the channel broke before the marker was read", bus.ErrUnavailable)
			}
			if d.MessageId == id && d.Type == markerType {
				offset, ok := d.Headers[streamOffset].(int64)
				if !ok {
					return 0, fmt.Errorf("%w: the marker has no offset", bus.ErrMisconfigured)
				}
				return offset, nil
			}
			if n%(maxChunk/10) == 0 {
				_ = d.Ack(true) // a closed channel also closes deliveries
			}
		case <-ctx.Done():
			return 0, fmt.Errorf("%w: the marker was not read: %w", bus.ErrUnavailable, ctx.Err())
		}
	}
}
