package rpc

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// How many connections of a client's pool are used at a time: one of each that
// waits in Redis, always, and one that sends, for moments. What else is asked now and
// then waits for the latter. A pool that is smaller makes calls slow.
const (
	RedisLinkUses   = 2 // however many transports share the link
	RedisServerUses = 2
)

// RedisLink is what the transports of one process share: one list for all replies.
// It is safe for concurrent use.
type RedisLink struct {
	redis   *redis.Client
	replies string            // the list
	out     chan *redisWaiter // requests on their way out

	life    context.Context // ends with Close
	stop    context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	waiting map[string]*redisWaiter // by ID; nil once closed
}

// redisWaiter is a call under way, or a notification.
type redisWaiter struct {
	waiter

	ctx     context.Context //nolint:containedctx // of a call, which waits meanwhile
	list    string
	id      string // empty for a notification, which is told when it is on its way
	message []byte
}

// NewRedisLink makes a link. r stays the caller's to close, after the link.
func NewRedisLink(r *redis.Client) *RedisLink {
	l := &RedisLink{
		redis: r, replies: "rpc.reply." + uuid.NewString(), out: make(chan *redisWaiter, 64),
		waiting: map[string]*redisWaiter{},
	}
	l.life, l.stop = context.WithCancel(context.Background())
	l.running.Go(l.send)
	l.running.Go(l.listen)
	l.running.Go(l.watch)
	return l
}

// Close ends the link. Calls under way fail.
func (l *RedisLink) Close() {
	l.stop()
	l.mu.Lock()
	l.waiting = nil
	l.mu.Unlock()
	l.running.Wait()
}

// expect has the reply to a call go to it; false once the link is closed.
func (l *RedisLink) expect(w *redisWaiter) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == nil {
		return false
	}
	l.waiting[w.id] = w
	return true
}

func (l *RedisLink) forget(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.waiting, id)
}

// send pushes requests, those that are there together.
func (l *RedisLink) send() {
	for {
		select {
		case <-l.life.Done():
			return
		case first := <-l.out:
			l.push(together(first, l.out))
		}
	}
}

// together is the first and what else is there, up to a bound.
func together[T any](first T, more <-chan T) []T {
	const atOnce = 100
	all := []T{first}
	for len(all) < atOnce {
		select {
		case next := <-more:
			all = append(all, next)
		default:
			return all
		}
	}
	return all
}

// push pushes requests whose callers still wait. What the client sends again after
// a connection broke may be there twice.
func (l *RedisLink) push(all []*redisWaiter) {
	p := l.redis.Pipeline()
	pushed := make([]*redis.IntCmd, len(all))
	for i, w := range all {
		if w.ctx.Err() == nil {
			pushed[i] = p.LPush(l.life, w.list, w.message)
		}
	}
	_, _ = p.Exec(l.life) // each command knows
	for i, w := range all {
		err := w.ctx.Err()
		switch {
		case pushed[i] == nil && err != nil:
			err = notSent(err)
		case pushed[i] != nil && pushed[i].Err() != nil:
			err = unavailable(w.ctx, pushed[i].Err())
		}
		switch {
		case w.id == "":
			w.arrived <- answer{err: err}
		case err != nil:
			l.hand(w.id, answer{err: err})
		}
	}
}

// listen pops replies, those that are there together.
func (l *RedisLink) listen() {
	for l.life.Err() == nil {
		const atOnce = 100
		reply, err := popWaiting(l.life, l.redis, l.replies)
		if err != nil {
			if !errors.Is(err, redis.Nil) {
				pause(l.life, 100*time.Millisecond) // Redis is away; callers wait for their deadlines
			}
			continue
		}
		l.take([]byte(reply))
		if !l.busy() {
			continue
		}
		more, _ := l.redis.RPopCount(l.life, l.replies, atOnce).Result() // what is left comes with the next
		for _, reply := range more {
			l.take([]byte(reply))
		}
	}
}

// busy tells that more replies may be there.
func (l *RedisLink) busy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting) > 1
}

// take hands a reply on, a batch's by whichever ID is waited for.
func (l *RedisLink) take(reply []byte) {
	for _, id := range idsOf(reply) {
		if l.hand(id, answer{reply: reply}) {
			return
		}
	}
}

// hand gives an answer to whoever waits for it. One that is late is dropped.
func (l *RedisLink) hand(id string, a answer) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.waiting[id]
	if w == nil {
		return false
	}
	delete(l.waiting, id)
	w.arrived <- a
	return true
}

// idsOf is the IDs in a message, of requests or of responses, that are strings.
func idsOf(message []byte) (ids []string) {
	list := []member{{value: message}}
	if kind(message) == '[' {
		list = scan(message)
	}
	for _, m := range list {
		if id := unquoted(find(scan(m.value), "id")); id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}
