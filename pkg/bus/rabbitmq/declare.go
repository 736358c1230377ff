package rabbitmq

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"quadrille/pkg/bus"
)

// declare declares the exchange, its history and the binding. A history with another
// retention stays as it is, because RabbitMQ changes retention only by a policy, and
// events must be published meanwhile.
func (l *Log) declare(conn *amqp.Connection, stream string) error {
	if err := l.withChannel(conn, func(ch *amqp.Channel) error { return l.declareExchange(ch, stream) }); err != nil {
		return err
	}
	err := l.withChannel(conn, func(ch *amqp.Channel) error { return l.declareHistory(ch, stream) })
	if retention, other := otherRetention(err); other {
		err = l.withChannel(conn, func(ch *amqp.Channel) error { return requireStream(ch, l.history(stream)) })
		if err == nil {
			l.logRetention(stream, retention)
		}
	}
	if err != nil {
		return err
	}
	return l.withChannel(conn, func(ch *amqp.Channel) error { return l.bind(ch, stream) })
}

// withChannel calls do with a channel of its own, because a refused declaration closes
// the channel.
func (l *Log) withChannel(conn *amqp.Connection, do func(*amqp.Channel) error) error {
	ch, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("%w: open channel: %w", bus.ErrUnavailable, err)
	}
	defer ch.Close() //nolint:errcheck // its work is done, or it is closed already
	return do(ch)
}

func (l *Log) declareExchange(ch *amqp.Channel, stream string) error {
	name := l.exchange(stream)
	err := ch.ExchangeDeclare(name, amqp.ExchangeFanout, true, false, false, false, nil)
	if err != nil {
		return brokerError("declare the durable fanout exchange", name, err)
	}
	return nil
}

func (l *Log) declareHistory(ch *amqp.Channel, stream string) error {
	args := amqp.Table{"x-queue-type": "stream"}
	if l.cfg.MaxAge != "" {
		args["x-max-age"] = l.cfg.MaxAge
	}
	if l.cfg.MaxBytes > 0 {
		args["x-max-length-bytes"] = l.cfg.MaxBytes
	}
	if l.cfg.SegmentBytes > 0 {
		args["x-stream-max-segment-size-bytes"] = l.cfg.SegmentBytes
	}
	if _, err := ch.QueueDeclare(l.history(stream), true, false, false, false, args); err != nil {
		return brokerError("declare the stream", l.history(stream), err)
	}
	return nil
}

func (l *Log) bind(ch *amqp.Channel, stream string) error {
	if err := ch.QueueBind(l.history(stream), "", l.exchange(stream), false, nil); err != nil {
		return brokerError("bind to exchange "+l.exchange(stream), l.history(stream), err)
	}
	return nil
}

// requireStream returns bus.ErrMisconfigured unless the queue is a stream. It consumes
// from an offset, which only streams support. The error of a declaration does not tell,
// because RabbitMQ reports the first argument that differs, and compares
// x-max-length-bytes before x-queue-type.
func requireStream(ch *amqp.Channel, queue string) error {
	if err := ch.Qos(1, 0, false); err != nil {
		return brokerError("set the prefetch for", queue, err)
	}
	_, err := consume(ch, queue, "type", "next")
	return err
}

// logRetention logs, once per stream and reason, that a history has another retention
// than configured.
func (l *Log) logRetention(stream, reason string) {
	l.mu.Lock()
	known := l.retention[stream] == reason
	l.retention[stream] = reason
	l.mu.Unlock()
	if !known {
		l.cfg.Log.Warn("the history keeps the retention it was declared with; change it by a policy on the broker",
			"queue", l.history(stream), "broker", reason)
	}
}

var (
	unequalArgument = regexp.MustCompile(`inequivalent arg '([^']+)' for (\w+) .*but current is (?:the value )?(?:'(.*?)'(?: of type '\w+')?|(none))`)
	otherType       = regexp.MustCompile(`of queue type rabbit_(\w+?)_queue`)
	noReplica       = regexp.MustCompile(`does not have a (running )?replica`)
)

// otherRetention reports whether a declaration failed only because the history has
// another retention, and returns the broker's reason.
func otherRetention(err error) (reason string, is bool) {
	var amqpErr *amqp.Error
	if !errors.As(err, &amqpErr) || amqpErr.Code != amqp.PreconditionFailed {
		return "", false
	}
	found := unequalArgument.FindStringSubmatch(amqpErr.Reason)
	if found == nil {
		return "", false
	}
	switch found[1] {
	case "x-max-age", "x-max-length-bytes", "x-stream-max-segment-size-bytes":
		return amqpErr.Reason, true
	}
	return "", false
}

// brokerError wraps an error of the broker in bus.ErrMisconfigured if an operator has to
// change something on it, else in bus.ErrUnavailable.
func brokerError(doing, name string, err error) error {
	var amqpErr *amqp.Error
	if !errors.As(err, &amqpErr) {
		return fmt.Errorf("%w: %s %s: %w", bus.ErrUnavailable, doing, name, err)
	}
	switch {
	case amqpErr.Code == amqp.PreconditionFailed && noReplica.MatchString(amqpErr.Reason):
		// The stream is being declared, or its nodes are starting: fall through to unavailable.
	case amqpErr.Code == amqp.PreconditionFailed:
		return fmt.Errorf("%w: cannot %s %s: %s: %w", bus.ErrMisconfigured, doing, name, mismatch(amqpErr.Reason), err)
	case amqpErr.Code == amqp.AccessRefused:
		return fmt.Errorf("%w: cannot %s %s: the broker denies it to this user; grant configure, write and read: %w", bus.ErrMisconfigured, doing, name, err)
	case amqpErr.Code == amqp.ResourceLocked:
		return fmt.Errorf("%w: cannot %s %s: another connection holds it as an exclusive queue; delete that queue: %w", bus.ErrMisconfigured, doing, name, err)
	}
	return fmt.Errorf("%w: %s %s: %w", bus.ErrUnavailable, doing, name, err)
}

// mismatch describes, from the broker's reason, what exists under the name, and how to
// proceed.
func mismatch(reason string) string {
	const advice = "; rename or delete it, or set BUS_PREFIX"
	if found := otherType.FindStringSubmatch(reason); found != nil {
		return "a " + found[1] + " queue of this name exists, want a stream" + advice
	}
	found := unequalArgument.FindStringSubmatch(reason)
	if found == nil {
		return "something else of this name exists" + advice
	}
	argument, kind, current := found[1], found[2], found[3]+found[4]
	switch argument {
	case "x-queue-type":
		return "a " + strings.Replace(current, "none", "classic", 1) + " queue of this name exists, want a stream" + advice
	case "type":
		return "an exchange of type " + current + " exists, want fanout" + advice
	}
	return fmt.Sprintf("the %s of this name has %s %s", kind, argument, current) + advice
}
