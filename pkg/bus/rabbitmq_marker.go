package bus

import (
	"context"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"quadrille/pkg/events"
)

// markerType is the type of a message that marks a history's end. Subscriptions
// leave markers out.
const markerType = "quadrille.marker"

// lacks reports whether the history ends before a position. Silence proves nothing:
// the broker may be slow, and a replica may lag behind. lacks therefore has a marker
// written to the history's end and waits until the marker is read back: its offset is
// above that of each event confirmed before. A position that was found missing is not
// looked for again.
func (b *RabbitMQ) lacks(ctx context.Context, stream string, at Position) (bool, error) {
	b.mu.Lock()
	known := b.lacking[stream] == at
	b.mu.Unlock()
	if known {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, endWithin)
	defer cancel()
	end, err := b.mark(ctx, stream)
	if err != nil {
		return false, fmt.Errorf("find out whether %s ends before offset %d: %w", b.history(stream), at.Offset, err)
	}
	if end > at.Offset {
		return false, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lacking[stream] = at
	return true, nil
}

// mark writes a marker and returns the offset at which it is read.
func (b *RabbitMQ) mark(ctx context.Context, stream string) (offset int64, err error) {
	conn, err := b.read.Connection()
	if err != nil {
		return 0, away(err)
	}
	err = b.onChannel(conn, func(ch *amqp.Channel) error {
		if err := ch.Qos(glanceAtMost, 0, false); err != nil {
			return refusal("set the prefetch for", b.history(stream), err)
		}
		deliveries, err := consume(ch, b.history(stream), "marker", "next")
		if err != nil {
			return err
		}
		id, err := b.writeMarker(ctx, stream)
		if err != nil {
			return err
		}
		offset, err = awaitMarker(ctx, deliveries, id)
		return err
	})
	return offset, err
}

// writeMarker publishes a marker into the history, past the exchange: no other queue
// gets it.
func (b *RabbitMQ) writeMarker(ctx context.Context, stream string) (id string, err error) {
	if err := b.publish.State(); err != nil {
		return "", away(err)
	}
	conn, err := b.publish.Connection()
	if err != nil {
		return "", away(err)
	}
	e := events.New(markerType, stream, 1, "")
	body, err := e.Encode()
	if err != nil {
		return "", err
	}
	return e.ID, b.onChannel(conn, func(ch *amqp.Channel) error {
		if err := ch.Confirm(false); err != nil {
			return fmt.Errorf("%w: ask for confirms: %w", ErrUnavailable, err)
		}
		returned := ch.NotifyReturn(make(chan amqp.Return, 1))
		confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", b.history(stream), true, false, amqp.Publishing{
			ContentType: events.ContentType, DeliveryMode: amqp.Persistent, MessageId: e.ID, Type: e.Type, Body: body,
		})
		if err != nil {
			return fmt.Errorf("%w: write a marker: %w", ErrUnavailable, err)
		}
		confirmed, err := confirm.WaitContext(ctx)
		if err != nil || !confirmed {
			return fmt.Errorf("%w: the marker was not confirmed: %w", ErrUnavailable, err)
		}
		select {
		case <-returned:
			return fmt.Errorf("%w: %s", ErrNoStream, b.history(stream))
		default:
			return nil
		}
	})
}

func awaitMarker(ctx context.Context, deliveries <-chan amqp.Delivery, id string) (offset int64, err error) {
	for n := 1; ; n++ {
		select {
		case d, open := <-deliveries:
			if !open {
				return 0, fmt.Errorf("%w: the channel broke before the marker was read", ErrUnavailable)
			}
			if d.MessageId == id && d.Type == markerType {
				offset, ok := d.Headers[streamOffset].(int64)
				if !ok {
					return 0, fmt.Errorf("%w: the marker has no offset", ErrMisconfigured)
				}
				return offset, nil
			}
			if n%(glanceAtMost/10) == 0 {
				_ = d.Ack(true) // a channel that is gone closes deliveries
			}
		case <-ctx.Done():
			return 0, fmt.Errorf("%w: the marker was not read: %w", ErrUnavailable, ctx.Err())
		}
	}
}
