package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisConfig says on which list of which Redis requests are pushed.
type RedisConfig struct {
	// Link is what transports of one process share; it stays the caller's to close.
	Link *RedisLink
	// Redis is used where there is no Link: the transport then has one of its own.
	Redis *redis.Client
	List  string
	// PerCall has each reply come on a list of its own, named by the request's ID,
	// as servers expect that know nothing of reply_to. It needs Redis, and costs a
	// connection for each call under way. Nobody tells whether such servers are
	// there: a call to a list that nobody serves waits for its deadline.
	PerCall bool
}

// redisTransport pushes requests on a list (LPUSH) by way of a link, on which the
// replies come.
type redisTransport struct {
	link *RedisLink
	list string
	owns bool // the link is this transport's alone

	life context.Context // ends with Close
	stop context.CancelFunc
}

// errTransportClosed is what calls get whose transport was closed.
var errTransportClosed = fmt.Errorf("%w: the transport was closed", ErrUnavailable)

// NewRedis is a transport over Redis lists. A call to a list that nobody serves is
// ErrUnavailable after two to three seconds; after a server was killed it takes as
// long again as that one counts as alive. Its request stays in the list until the
// call's deadline, as in NewRabbitMQ's queue.
func NewRedis(cfg RedisConfig) (Transport, error) {
	if cfg.List == "" || cfg.Redis == nil && (cfg.Link == nil || cfg.PerCall) {
		return nil, errors.New("rpc over Redis: List and a Link, or Redis, are needed")
	}
	life, stop := context.WithCancel(context.Background())
	if cfg.PerCall {
		return &redisAlone{redis: cfg.Redis, list: cfg.List, life: life, stop: stop}, nil
	}
	t := &redisTransport{link: cfg.Link, list: cfg.List, life: life, stop: stop}
	if t.link == nil {
		t.link, t.owns = NewRedisLink(cfg.Redis), true
	}
	return t, nil
}

// RoundTrip is Transport's.
func (t *redisTransport) RoundTrip(ctx context.Context, id string, message []byte) ([]byte, error) {
	if t.life.Err() != nil {
		return nil, notSent(errTransportClosed)
	}
	w := &redisWaiter{waiter: waiter{since: time.Now(), arrived: make(chan answer, 1)}, ctx: ctx, list: t.list, id: id, message: message}
	if id != "" {
		w.message = addressed(message, t.link.replies)
		if !t.link.expect(w) {
			return nil, notSent(errTransportClosed)
		}
		defer t.link.forget(id)
	}
	select {
	case t.link.out <- w:
	case <-t.life.Done():
		return nil, notSent(errTransportClosed)
	case <-t.link.life.Done():
		return nil, notSent(errTransportClosed)
	case <-ctx.Done():
		return nil, notSent(fmt.Errorf("to %s: %w", t.list, ctx.Err()))
	}
	select {
	case a := <-w.arrived:
		return a.reply, a.err
	case <-t.life.Done():
		return nil, errTransportClosed
	case <-t.link.life.Done():
		return nil, errTransportClosed
	case <-ctx.Done():
		return nil, fmt.Errorf("no answer from %s: %w", t.list, ctx.Err())
	}
}

// Close is Transport's.
func (t *redisTransport) Close() error {
	t.stop()
	if t.owns {
		t.link.Close()
	}
	return nil
}

// addressed puts the list for replies into a message, in front of the members of
// its request, or of the first one in a batch.
func addressed(message []byte, replies string) []byte {
	at := bytes.IndexByte(message, '{') + 1
	name := encoded(replies)
	out := make([]byte, 0, len(message)+len(name)+16)
	out = append(out, message[:at]...)
	out = append(out, `"reply_to":`...)
	out = append(append(out, name...), ',')
	return append(out, message[at:]...)
}
