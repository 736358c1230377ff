package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// RedisServerConfig says which list is served.
type RedisServerConfig struct {
	Redis      *redis.Client
	List       string
	Server     *Server
	Concurrent int           // requests worked on at a time; 64 where 0
	Alive      time.Duration // after which a silent server's requests are taken back; 10 s where 0
	ReplyFor   time.Duration // how long a reply waits for its caller; 1 min where 0
	Log        *slog.Logger
}

// RedisServer answers requests from a list. While one is worked on it lies in a
// list of this server's own, from which another server takes it back if this one
// dies: a method may then run twice. Any number of servers share the list.
type RedisServer struct {
	cfg      RedisServerConfig
	instance string
}

// NewRedisServer makes a server. Run sets it going.
func NewRedisServer(cfg RedisServerConfig) (*RedisServer, error) {
	if cfg.Redis == nil || cfg.List == "" || cfg.Server == nil || cfg.Log == nil {
		return nil, errors.New("rpc over Redis: Redis, List, Server and Log are needed")
	}
	if cfg.Concurrent == 0 {
		cfg.Concurrent = 64
	}
	if cfg.Alive == 0 {
		cfg.Alive = 10 * time.Second
	}
	if cfg.ReplyFor == 0 {
		cfg.ReplyFor = time.Minute
	}
	return &RedisServer{cfg: cfg, instance: uuid.NewString()}, nil
}

func (s *RedisServer) workers() string                { return s.cfg.List + ".workers" }
func (s *RedisServer) alive(instance string) string   { return s.cfg.List + ".alive." + instance }
func (s *RedisServer) working(instance string) string { return s.cfg.List + ".working." + instance }

// Run serves until ctx ends; then it finishes what it is at and returns nil.
func (s *RedisServer) Run(ctx context.Context) error {
	beating, stop := context.WithCancel(context.WithoutCancel(ctx))
	var aside sync.WaitGroup
	aside.Go(func() { s.every(beating, s.cfg.Alive/3, s.beat) })
	aside.Go(func() { s.every(ctx, s.cfg.Alive/2, s.takeBack) })
	defer func() {
		stop()
		aside.Wait()
		s.leave(context.WithoutCancel(ctx))
	}()
	free := make(chan struct{}, s.cfg.Concurrent)
	var working sync.WaitGroup
	defer working.Wait()
	for away := false; ; {
		select { // a request that cannot be worked on yet is left to others
		case free <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		request, err := s.cfg.Redis.BLMove(ctx, s.cfg.List, s.working(s.instance), "RIGHT", "LEFT", time.Second).Result()
		switch {
		case err == nil:
			away = false
			working.Go(func() {
				defer func() { <-free }()
				s.answer(context.WithoutCancel(ctx), request)
			})
			continue
		case ctx.Err() != nil:
			return nil
		case !errors.Is(err, redis.Nil):
			if !away {
				s.cfg.Log.Warn("Redis does not answer; trying again", "list", s.cfg.List, "error", err)
			}
			away = true
			pause(ctx, 200*time.Millisecond)
		}
		<-free
	}
}

// answer works on one request: the reply and the end of it go together.
func (s *RedisServer) answer(ctx context.Context, request string) {
	reply := s.cfg.Server.Handle(ctx, []byte(request))
	replies := replyList([]byte(request))
	_, err := s.cfg.Redis.TxPipelined(ctx, func(p redis.Pipeliner) error {
		if reply != nil && replies != "" && replies != s.cfg.List { // there it would be a request
			p.LPush(ctx, replies, reply)
			p.PExpire(ctx, replies, s.cfg.ReplyFor)
		}
		p.LRem(ctx, s.working(s.instance), 1, request)
		return nil
	})
	if err != nil {
		s.cfg.Log.Warn("a reply could not be sent; its caller waits for its deadline", "list", s.cfg.List, "error", err)
	}
}

// replyList is where the reply belongs: on the list that the caller names, or on
// one that is named by the request's ID.
func replyList(request []byte) string {
	var to struct {
		ReplyTo string `json:"reply_to"`
	}
	first := json.RawMessage(request)
	if kind(request) == '[' {
		var all []json.RawMessage
		if json.Unmarshal(request, &all) == nil && len(all) > 0 {
			first = all[0]
		}
	}
	if json.Unmarshal(first, &to) == nil && to.ReplyTo != "" {
		return to.ReplyTo
	}
	return firstID(request)
}

// firstID is the first ID in a message as the name of a list: a number is written
// as it is.
func firstID(message []byte) string {
	type member struct {
		ID json.RawMessage `json:"id"`
	}
	var list []member
	if kind(message) != '[' {
		message = append(append([]byte{'['}, message...), ']')
	}
	_ = json.Unmarshal(message, &list) // what is no message has no IDs
	for _, m := range list {
		var name string
		switch {
		case json.Unmarshal(m.ID, &name) == nil && name != "":
			return name
		case len(m.ID) > 0 && kind(m.ID) != 'n' && kind(m.ID) != '"':
			return string(m.ID)
		}
	}
	return ""
}

func (s *RedisServer) every(ctx context.Context, d time.Duration, do func(context.Context)) {
	for ctx.Err() == nil {
		do(ctx)
		pause(ctx, d)
	}
}

// beat says that this server lives. What fails is said again soon.
func (s *RedisServer) beat(ctx context.Context) {
	_, _ = s.cfg.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, s.alive(s.instance), 1, s.cfg.Alive)
		p.SAdd(ctx, s.workers(), s.instance)
		return nil
	})
}

// takeBack gives the requests of servers that are dead back to the living.
func (s *RedisServer) takeBack(ctx context.Context) {
	instances, err := s.cfg.Redis.SMembers(ctx, s.workers()).Result()
	if err != nil {
		return // another time
	}
	for _, i := range instances {
		if n, err := s.cfg.Redis.Exists(ctx, s.alive(i)).Result(); err != nil || n > 0 {
			continue
		}
		for {
			err := s.cfg.Redis.LMove(ctx, s.working(i), s.cfg.List, "RIGHT", "RIGHT").Err()
			if errors.Is(err, redis.Nil) {
				s.cfg.Redis.SRem(ctx, s.workers(), i)
				break
			}
			if err != nil {
				return
			}
			s.cfg.Log.Warn("a server died over a request; it was taken back", "list", s.cfg.List, "server", i)
		}
	}
}

// leave says goodbye, so that nobody looks for what was left behind.
func (s *RedisServer) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if n, err := s.cfg.Redis.LLen(ctx, s.working(s.instance)).Result(); err != nil || n > 0 {
		return // others take it back
	}
	_, _ = s.cfg.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Del(ctx, s.alive(s.instance))
		p.SRem(ctx, s.workers(), s.instance)
		return nil
	})
}
