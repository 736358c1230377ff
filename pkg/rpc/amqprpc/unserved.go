package amqprpc

import (
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"quadrille/pkg/rpc"
	"quadrille/pkg/rpc/internal/pending"
)

// checkServed fails the calls to a queue without consumers until c breaks. It asks on
// a channel of its own, because the broker closes a channel that names a missing
// queue.
func (t *transport) checkServed(c *channel) {
	tick := time.NewTicker(pending.UnservedAfter)
	defer tick.Stop()
	var probe *amqp.Channel
	defer func() {
		if probe != nil {
			_ = probe.Close() // usually closed together with its connection
		}
	}()
	for unserved := 0; ; {
		select {
		case <-c.broken:
			return
		case <-tick.C:
		}
		if len(t.calls.Waiting()) == 0 {
			unserved = 0
			continue
		}
		var absent bool
		if probe, absent = t.probe(c.conn, probe); !absent {
			unserved = 0
		} else if unserved++; unserved > 1 {
			t.calls.FailWaiting(t.cfg.Queue, t.errUnserved())
		}
	}
}

// probe reports whether requests lie in the queue and no consumer takes them. An
// empty queue counts as served: a server that is stopping may be finishing the last
// requests. on is the channel to ask on, nil for a new one; probe returns the channel
// for the next call.
func (t *transport) probe(conn *amqp.Connection, on *amqp.Channel) (next *amqp.Channel, absent bool) {
	if on == nil {
		var err error
		if on, err = conn.Channel(); err != nil {
			return nil, false
		}
	}
	q, err := on.QueueDeclarePassive(t.cfg.Queue, true, false, false, false, nil)
	var refused *amqp.Error
	switch {
	case errors.As(err, &refused) && refused.Code == amqp.NotFound:
		return nil, true // all requests were deleted with the queue
	case err != nil:
		return nil, false
	default:
		return on, q.Consumers == 0 && q.Messages > 0
	}
}

func (t *transport) errUnserved() error {
	return fmt.Errorf("%w: no server consumes the queue %s", rpc.ErrUnavailable, t.cfg.Queue)
}
