package rpc

import (
	"errors"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// awayAfter is how long a call waits before somebody asks whether its queue is
// served at all, and how long lies between two such questions. Two in a row must
// find nobody: a server that is started again is away for a moment only.
const awayAfter = time.Second

// watch fails the calls to a queue that nobody serves, until the line breaks. It
// asks on a channel of its own, since a queue that is not there closes it.
func (t *rabbitTransport) watch(line *rabbitLine) {
	tick := time.NewTicker(awayAfter)
	defer tick.Stop()
	var ask *amqp.Channel
	defer func() {
		if ask != nil {
			_ = ask.Close() // with its connection, mostly
		}
	}()
	for found := 0; ; {
		select {
		case <-line.broken:
			return
		case <-tick.C:
		}
		if !t.anyWaiting(awayAfter) {
			found = 0
			continue
		}
		var nobody bool
		if ask, nobody = t.nobody(line.conn, ask); !nobody {
			found = 0
		} else if found++; found > 1 {
			t.giveUp(awayAfter)
		}
	}
}

func (t *rabbitTransport) anyWaiting(long time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range t.waiting {
		if time.Since(w.since) >= long {
			return true
		}
	}
	return false
}

// nobody reports whether requests lie in the queue and nobody takes them. Without
// requests somebody has taken all, and may be finishing them before it goes. ask is
// the channel to ask on, nil for a new one; the one to ask on next comes back.
func (t *rabbitTransport) nobody(conn *amqp.Connection, ask *amqp.Channel) (next *amqp.Channel, nobody bool) {
	if ask == nil {
		var err error
		if ask, err = conn.Channel(); err != nil {
			return nil, false
		}
	}
	q, err := ask.QueueDeclarePassive(t.cfg.Queue, true, false, false, false, nil)
	var refused *amqp.Error
	switch {
	case errors.As(err, &refused) && refused.Code == amqp.NotFound:
		return nil, true // and all requests went with it
	case err != nil:
		return nil, false
	default:
		return ask, q.Consumers == 0 && q.Messages > 0
	}
}

// giveUp fails the calls that have waited for so long.
func (t *rabbitTransport) giveUp(long time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, w := range t.waiting {
		if time.Since(w.since) >= long {
			delete(t.waiting, id)
			w.arrived <- answer{err: t.errNobody()}
		}
	}
}
