package redisrpc

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"quadrille/pkg/rpc"
	"quadrille/pkg/rpc/internal/grace"
	"quadrille/pkg/rpc/internal/jsonscan"
	"quadrille/pkg/rpc/internal/pending"
)

// Connections that a link and a server use at the same time: one that always blocks in
// Redis, and one that sends for moments, for which other commands wait. A smaller pool
// makes calls slow.
const (
	LinkConnections   = 2 // however many transports share the link
	ServerConnections = 2
)

// Link is shared by the transports of one process. It receives all replies on one list.
// It is safe for concurrent use.
type Link struct {
	redis   *redis.Client
	replies string // the list
	out     chan *outgoing
	calls   pending.Calls

	life    context.Context // ends with Close
	stop    context.CancelFunc
	running sync.WaitGroup
}

// outgoing is a request to be pushed. A notification is finished as soon as it is
// pushed.
type outgoing struct {
	call    *pending.Call
	ctx     context.Context //nolint:containedctx // of the call, which waits meanwhile
	message []byte
}

// NewLink returns a running link. The caller closes r, after the link.
func NewLink(r *redis.Client) *Link {
	l := &Link{redis: r, replies: "rpc.reply." + uuid.NewString(), out: make(chan *outgoing, 64)}
	l.life, l.stop = context.WithCancel(context.Background())
	l.running.Go(l.send)
	l.running.Go(l.receive)
	l.running.Go(l.checkServed)
	return l
}

// Close ends the link. Calls in progress fail.
func (l *Link) Close() {
	l.stop()
	l.calls.Close()
	l.running.Wait()
}

// send pushes requests until the link ends, all that are waiting in one round trip.
func (l *Link) send() {
	for {
		select {
		case <-l.life.Done():
			return
		case first := <-l.out:
			l.push(drain(first, l.out))
		}
	}
}

// drain returns first and whatever more delivers without waiting, up to 100.
func drain[T any](first T, more <-chan T) []T {
	const maxItems = 100
	all := []T{first}
	for len(all) < maxItems {
		select {
		case next := <-more:
			all = append(all, next)
		default:
			return all
		}
	}
	return all
}

// push pushes the requests whose callers still wait. A request may reach the list
// twice: the Redis client sends again after a connection broke.
func (l *Link) push(all []*outgoing) {
	p := l.redis.Pipeline()
	pushed := make([]*redis.IntCmd, len(all))
	for i, o := range all {
		if o.ctx.Err() == nil {
			pushed[i] = p.LPush(l.life, o.call.Queue, o.message)
		}
	}
	_, _ = p.Exec(l.life) // each command has its own error
	for i, o := range all {
		err := o.ctx.Err()
		switch {
		case pushed[i] == nil && err != nil:
			err = rpc.NotSent(err)
		case pushed[i] != nil && pushed[i].Err() != nil:
			err = rpc.Unavailable(o.ctx, pushed[i].Err())
		}
		switch {
		case o.call.ID == "":
			o.call.Finish(pending.Result{Err: err})
		case err != nil:
			l.calls.Deliver(o.call.ID, pending.Result{Err: err})
		}
	}
}

// receive delivers replies until the link ends.
func (l *Link) receive() {
	for l.life.Err() == nil {
		const maxMore = 100
		reply, err := blockingPop(l.life, l.redis, l.replies)
		if err != nil {
			if !errors.Is(err, redis.Nil) {
				grace.Pause(l.life, 100*time.Millisecond) // Redis is unavailable; callers wait for their deadlines
			}
			continue
		}
		l.deliver([]byte(reply))
		if l.calls.Len() < 2 {
			continue
		}
		more, _ := l.redis.RPopCount(l.life, l.replies, maxMore).Result() // on an error the replies stay for the next pop
		for _, reply := range more {
			l.deliver([]byte(reply))
		}
	}
}

// deliver delivers a reply to the call that it answers. The call of a batch waits for
// one of the IDs in the batch.
func (l *Link) deliver(reply []byte) {
	for _, m := range jsonscan.Elements(reply) {
		id := jsonscan.String(jsonscan.Find(jsonscan.Split(m.Value), "id"))
		if id != "" && l.calls.Deliver(id, pending.Result{Reply: reply}) {
			return
		}
	}
}
