package bus

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// declare makes sure that the exchange, its history and the binding are there. A
// history that was declared with another retention stays as it is: RabbitMQ changes it
// by a policy only, and events must go out meanwhile.
func (b *RabbitMQ) declare(conn *amqp.Connection, stream string) error {
	if err := b.onChannel(conn, func(ch *amqp.Channel) error { return b.declareExchange(ch, stream) }); err != nil {
		return err
	}
	err := b.onChannel(conn, func(ch *amqp.Channel) error { return b.declareHistory(ch, stream) })
	if retention, other := otherRetention(err); other {
		err = b.onChannel(conn, func(ch *amqp.Channel) error { return mustBeStream(ch, b.history(stream)) })
		if err == nil {
			b.tellRetention(stream, retention)
		}
	}
	if err != nil {
		return err
	}
	return b.onChannel(conn, func(ch *amqp.Channel) error { return b.bind(ch, stream) })
}

// onChannel has a channel for something that may close it.
func (b *RabbitMQ) onChannel(conn *amqp.Connection, do func(*amqp.Channel) error) error {
	ch, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("%w: open channel: %w", ErrUnavailable, err)
	}
	defer ch.Close() //nolint:errcheck // it has done its work, or is closed already
	return do(ch)
}

func (b *RabbitMQ) declareExchange(ch *amqp.Channel, stream string) error {
	name := b.exchange(stream)
	err := ch.ExchangeDeclare(name, amqp.ExchangeFanout, true, false, false, false, nil)
	if err != nil {
		return refusal("declare the durable fanout exchange", name, err)
	}
	return nil
}

func (b *RabbitMQ) declareHistory(ch *amqp.Channel, stream string) error {
	args := amqp.Table{"x-queue-type": "stream"}
	if b.cfg.MaxAge != "" {
		args["x-max-age"] = b.cfg.MaxAge
	}
	if b.cfg.MaxBytes > 0 {
		args["x-max-length-bytes"] = b.cfg.MaxBytes
	}
	if b.cfg.SegmentBytes > 0 {
		args["x-stream-max-segment-size-bytes"] = b.cfg.SegmentBytes
	}
	if _, err := ch.QueueDeclare(b.history(stream), true, false, false, false, args); err != nil {
		return refusal("declare the stream", b.history(stream), err)
	}
	return nil
}

func (b *RabbitMQ) bind(ch *amqp.Channel, stream string) error {
	if err := ch.QueueBind(b.history(stream), "", b.exchange(stream), false, nil); err != nil {
		return refusal("bind to exchange "+b.exchange(stream), b.history(stream), err)
	}
	return nil
}

// mustBeStream returns ErrMisconfigured if the queue is no stream. It asks to read
// from an offset: an answer to a declaration may name another argument first, since
// RabbitMQ compares arguments one by one and x-max-length-bytes before x-queue-type.
func mustBeStream(ch *amqp.Channel, queue string) error {
	if err := ch.Qos(1, 0, false); err != nil {
		return refusal("set the prefetch for", queue, err)
	}
	_, err := consume(ch, queue, "type", "next")
	return err
}

// tellRetention logs once for each stream that its history keeps another retention.
func (b *RabbitMQ) tellRetention(stream, reason string) {
	b.mu.Lock()
	told := b.retention[stream] == reason
	b.retention[stream] = reason
	b.mu.Unlock()
	if !told {
		b.cfg.Log.Warn("the history was declared with another retention and keeps it; change it by a policy on the broker",
			"queue", b.history(stream), "broker", reason)
	}
}

var (
	unequalArgument = regexp.MustCompile(`inequivalent arg '([^']+)' for (\w+) .*but current is (?:the value )?(?:'(.*?)'(?: of type '\w+')?|(none))`)
	otherType       = regexp.MustCompile(`of queue type rabbit_(\w+?)_queue`)
	noReplica       = regexp.MustCompile(`does not have a (running )?replica`)
)

// otherRetention tells a history whose retention alone differs from what was
// declared, and what the broker says of it.
func otherRetention(err error) (reason string, is bool) {
	var said *amqp.Error
	if !errors.As(err, &said) || said.Code != amqp.PreconditionFailed {
		return "", false
	}
	found := unequalArgument.FindStringSubmatch(said.Reason)
	if found == nil {
		return "", false
	}
	switch found[1] {
	case "x-max-age", "x-max-length-bytes", "x-stream-max-segment-size-bytes":
		return said.Reason, true
	}
	return "", false
}

// refusal says what the broker refused: ErrMisconfigured where an operator has to
// change something there, else ErrUnavailable.
func refusal(doing, name string, err error) error {
	var said *amqp.Error
	if !errors.As(err, &said) {
		return fmt.Errorf("%w: %s %s: %w", ErrUnavailable, doing, name, err)
	}
	switch {
	case said.Code == amqp.PreconditionFailed && noReplica.MatchString(said.Reason):
		// A stream is just being declared, or its nodes are just starting.
	case said.Code == amqp.PreconditionFailed:
		return fmt.Errorf("%w: cannot %s %s: %s: %w", ErrMisconfigured, doing, name, mismatch(said.Reason), err)
	case said.Code == amqp.AccessRefused:
		return fmt.Errorf("%w: cannot %s %s: the broker's user may not; grant it configure, write and read: %w", ErrMisconfigured, doing, name, err)
	case said.Code == amqp.ResourceLocked:
		return fmt.Errorf("%w: cannot %s %s: another connection has it as an exclusive queue; delete that: %w", ErrMisconfigured, doing, name, err)
	}
	return fmt.Errorf("%w: %s %s: %w", ErrUnavailable, doing, name, err)
}

// mismatch says what the broker holds in place of what was asked for.
func mismatch(reason string) string {
	const advice = "; rename or delete it, or set BUS_PREFIX"
	if found := otherType.FindStringSubmatch(reason); found != nil {
		return "a " + found[1] + " queue of this name is there, want a stream" + advice
	}
	found := unequalArgument.FindStringSubmatch(reason)
	if found == nil {
		return "something else of this name is there" + advice
	}
	argument, kind, current := found[1], found[2], found[3]+found[4]
	switch argument {
	case "x-queue-type":
		return "a " + strings.Replace(current, "none", "classic", 1) + " queue of this name is there, want a stream" + advice
	case "type":
		return "an exchange of type " + current + " is there, want fanout" + advice
	}
	return fmt.Sprintf("the %s of this name has %s %s", kind, argument, current) + advice
}
