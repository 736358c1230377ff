package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// RedisConfig says on which list of which Redis requests are pushed.
type RedisConfig struct {
	Redis *redis.Client
	List  string
	// PerCall has each reply come on a list of its own, named by the request's ID,
	// as servers expect that know nothing of reply_to. It costs a connection for
	// each call under way. Without it all replies of the client come on one list.
	PerCall bool
}

// redisTransport pushes requests on a list (LPUSH) and pops replies from another.
type redisTransport struct {
	cfg     RedisConfig
	replies string          // the client's own list
	life    context.Context // ends with Close
	stop    context.CancelFunc
	ended   chan struct{}

	mu      sync.Mutex
	waiting map[string]chan []byte // by ID; nil once closed
}

// errTransportClosed is what calls get whose transport was closed.
var errTransportClosed = fmt.Errorf("%w: the transport was closed", ErrUnavailable)

// NewRedis is a transport over Redis lists. cfg.Redis stays the caller's to close.
func NewRedis(cfg RedisConfig) (Transport, error) {
	if cfg.Redis == nil || cfg.List == "" {
		return nil, errors.New("rpc over Redis: Redis and List are needed")
	}
	ctx, stop := context.WithCancel(context.Background())
	t := &redisTransport{
		cfg: cfg, replies: "rpc.reply." + uuid.NewString(), life: ctx, stop: stop, ended: make(chan struct{}),
		waiting: map[string]chan []byte{},
	}
	if cfg.PerCall {
		close(t.ended)
	} else {
		go t.listen(ctx)
	}
	return t, nil
}

// RoundTrip is Transport's.
func (t *redisTransport) RoundTrip(ctx context.Context, id string, message []byte) ([]byte, error) {
	if id == "" || t.cfg.PerCall {
		return t.alone(ctx, id, message)
	}
	arrived := make(chan []byte, 1)
	if !t.expect(id, arrived) {
		return nil, errTransportClosed
	}
	defer t.expect(id, nil)
	if err := t.cfg.Redis.LPush(ctx, t.cfg.List, addressed(message, t.replies)).Err(); err != nil {
		return nil, unavailable(ctx, err)
	}
	select {
	case reply, open := <-arrived:
		if !open {
			return nil, errTransportClosed
		}
		return reply, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("no answer from %s: %w", t.cfg.List, ctx.Err())
	}
}

// alone needs nothing of the client's own: the reply, if there is one, comes on a
// list that is named by the ID.
func (t *redisTransport) alone(ctx context.Context, id string, message []byte) ([]byte, error) {
	if err := t.cfg.Redis.LPush(ctx, t.cfg.List, message).Err(); err != nil {
		return nil, unavailable(ctx, err)
	}
	if id == "" {
		return nil, nil
	}
	deadline, has := ctx.Deadline()
	for !has || time.Now().Before(deadline) {
		if t.life.Err() != nil {
			return nil, errTransportClosed
		}
		popped, err := t.cfg.Redis.BRPop(ctx, time.Second, id).Result()
		switch {
		case err == nil:
			return []byte(popped[1]), nil
		case ctx.Err() != nil:
			return nil, fmt.Errorf("no answer from %s: %w", t.cfg.List, ctx.Err())
		case !errors.Is(err, redis.Nil):
			return nil, unavailable(ctx, err)
		}
	}
	return nil, fmt.Errorf("no answer from %s: %w", t.cfg.List, context.DeadlineExceeded)
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

// expect has replies to id go to arrived, or to nobody any more where that is nil;
// false once the transport is closed.
func (t *redisTransport) expect(id string, arrived chan []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting == nil {
		return false
	}
	if arrived == nil {
		delete(t.waiting, id)
	} else {
		t.waiting[id] = arrived
	}
	return true
}

// listen pops replies until ctx ends, those that are there together.
func (t *redisTransport) listen(ctx context.Context) {
	defer close(t.ended)
	for ctx.Err() == nil {
		const atOnce = 100
		popped, err := t.cfg.Redis.BRPop(ctx, time.Second, t.replies).Result()
		if err != nil {
			if !errors.Is(err, redis.Nil) {
				pause(ctx, 100*time.Millisecond) // Redis is away; callers wait for their deadlines
			}
			continue
		}
		t.hand([]byte(popped[1]))
		more, _ := t.cfg.Redis.RPopCount(ctx, t.replies, atOnce).Result() // what is left comes with the next
		for _, reply := range more {
			t.hand([]byte(reply))
		}
	}
}

// hand gives a reply to whoever waits for it. One that is late is dropped.
func (t *redisTransport) hand(reply []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range idsOf(reply) {
		if arrived := t.waiting[id]; arrived != nil {
			delete(t.waiting, id)
			arrived <- reply
			return
		}
	}
}

// Close is Transport's.
func (t *redisTransport) Close() error {
	t.mu.Lock()
	for _, arrived := range t.waiting {
		close(arrived)
	}
	t.waiting = nil
	t.mu.Unlock()
	t.stop()
	<-t.ended
	return nil
}

// idsOf is the IDs in a message, of requests or of responses, that are strings.
func idsOf(message []byte) (ids []string) {
	type member struct {
		ID any `json:"id"`
	}
	var list []member
	if kind(message) == '[' {
		_ = json.Unmarshal(message, &list) // what is no message has no IDs
	} else {
		list = make([]member, 1)
		_ = json.Unmarshal(message, &list[0])
	}
	for _, m := range list {
		if id, is := m.ID.(string); is {
			ids = append(ids, id)
		}
	}
	return ids
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
