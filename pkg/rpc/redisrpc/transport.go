// Package redisrpc carries JSON-RPC over Redis lists: one list for the requests to a
// server, and one for the replies to each client. docs/rpc.md describes the messages,
// the keys and the guarantees.
package redisrpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"quadrille/pkg/rpc"
	"quadrille/pkg/rpc/internal/pending"
)

// Config names the list to which requests are pushed, and the Redis that has it.
type Config struct {
	// Link is shared by the transports of one process. The caller closes it.
	Link *Link
	// Redis is used if Link is nil: the transport then makes a link of its own.
	Redis *redis.Client
	List  string
	// PerCall receives each reply on a list named by the request's ID, for servers
	// that do not know reply_to. It requires Redis and uses one connection for each
	// call in progress. It cannot detect a list without servers: such a call waits
	// for its deadline.
	PerCall bool
}

// transport pushes requests to a list (LPUSH) through a link, which also receives the
// replies.
type transport struct {
	link     *Link
	list     string
	ownsLink bool

	life context.Context // ends with Close
	stop context.CancelFunc
}

// New returns a transport over Redis lists. A call to a list that no server takes
// requests from fails after two to three seconds with ErrUnavailable; after a server
// was killed, not before that server's heartbeat has expired. The request stays in the
// list until the call's deadline and still runs if a server starts before.
func New(cfg Config) (rpc.Transport, error) {
	if cfg.List == "" || cfg.Redis == nil && (cfg.Link == nil || cfg.PerCall) {
		return nil, errors.New("rpc over Redis: List and either Link or Redis are required")
	}
	life, stop := context.WithCancel(context.Background())
	if cfg.PerCall {
		return &perCall{redis: cfg.Redis, list: cfg.List, life: life, stop: stop}, nil
	}
	t := &transport{link: cfg.Link, list: cfg.List, life: life, stop: stop}
	if t.link == nil {
		t.link, t.ownsLink = NewLink(cfg.Redis), true
	}
	return t, nil
}

// RoundTrip implements rpc.Transport.
func (t *transport) RoundTrip(ctx context.Context, id string, message []byte) ([]byte, error) {
	if t.life.Err() != nil {
		return nil, rpc.NotSent(rpc.ErrTransportClosed)
	}
	o := &outgoing{call: pending.New(id, t.list), ctx: ctx, message: message}
	if id != "" {
		o.message = withReplyTo(message, t.link.replies)
		if !t.link.calls.Add(o.call) {
			return nil, rpc.NotSent(rpc.ErrTransportClosed)
		}
		defer t.link.calls.Remove(id)
	}
	select {
	case t.link.out <- o:
	case <-t.life.Done():
		return nil, rpc.NotSent(rpc.ErrTransportClosed)
	case <-t.link.life.Done():
		return nil, rpc.NotSent(rpc.ErrTransportClosed)
	case <-ctx.Done():
		return nil, rpc.NotSent(fmt.Errorf("to %s: %w", t.list, ctx.Err()))
	}
	select {
	case r := <-o.call.Done():
		return r.Reply, r.Err
	case <-t.life.Done():
		return nil, rpc.ErrTransportClosed
	case <-t.link.life.Done():
		return nil, rpc.ErrTransportClosed
	case <-ctx.Done():
		return nil, fmt.Errorf("no answer from %s: %w", t.list, ctx.Err())
	}
}

// Close implements rpc.Transport.
func (t *transport) Close() error {
	t.stop()
	if t.ownsLink {
		t.link.Close()
	}
	return nil
}

// withReplyTo inserts the member reply_to before the members of the request, or of the
// first request of a batch.
func withReplyTo(message []byte, list string) []byte {
	at := bytes.IndexByte(message, '{') + 1
	name, _ := json.Marshal(list) //nolint:errchkjson // a string can always be encoded
	out := make([]byte, 0, len(message)+len(name)+16)
	out = append(out, message[:at]...)
	out = append(out, `"reply_to":`...)
	out = append(append(out, name...), ',')
	return append(out, message[at:]...)
}
