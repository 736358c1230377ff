package rpc

import (
	"context"
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
	Grace      time.Duration // for requests under way when Run's context ends; 5 s where 0
	Log        *slog.Logger
}

// RedisServer answers requests from a list. While one is worked on it lies in a
// list of this server's own, from which another server takes it back if this one
// dies, one and a half times Alive later at the most: a method may then run twice.
// Any number of servers share the list. One uses RedisServerUses connections.
type RedisServer struct {
	cfg      RedisServerConfig
	names    redisNames
	instance string
	free     chan struct{} // holds one for each request under way

	mu       sync.Mutex
	replies  []redisReply   // to be sent
	sending  bool           // somebody sends them
	underWay map[string]int // requests, of which several may be equal
}

// NewRedisServer makes a server. Run sets it going, once.
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
	if cfg.Grace == 0 {
		cfg.Grace = usualGrace
	}
	return &RedisServer{
		cfg: cfg, names: redisNames{cfg.List}, instance: uuid.NewString(), free: make(chan struct{}, cfg.Concurrent),
		underWay: map[string]int{},
	}, nil
}

// Run serves until ctx ends; then it takes no more requests, finishes what it is at
// within Grace and returns nil. What is not finished by then has its context ended
// and goes back to the list. While Redis is away Run tries again.
func (s *RedisServer) Run(ctx context.Context) error {
	still := context.WithoutCancel(ctx)
	aside, stop := context.WithCancel(still)
	var helping sync.WaitGroup
	s.announce(ctx)
	helping.Go(func() { // what fails is said again soon
		s.every(aside, min(s.cfg.Alive/3, time.Second), func(ctx context.Context) { _ = s.beat(ctx) })
	})
	helping.Go(func() { s.every(ctx, s.cfg.Alive/2, s.takeBack) })
	helping.Go(func() { s.every(ctx, s.cfg.Alive/2, s.reclaim()) })
	over, forget := afterEnd(ctx, s.cfg.Grace)
	defer forget()
	work, abandon := context.WithCancel(still)
	defer abandon()
	var working sync.WaitGroup
	s.take(ctx, func(request string) {
		working.Go(func() { s.answer(work, request) })
	})
	if !finished(&working, over) {
		s.cfg.Log.Warn("requests were not finished in time; others get them", "list", s.cfg.List)
		abandon()
	}
	stop()
	var leaving sync.WaitGroup
	leaving.Go(func() { helping.Wait(); s.leave(still) })
	late, end := context.WithTimeout(still, 3*time.Second)
	defer end()
	finished(&leaving, late.Done()) // a connection that hangs is not waited for
	return nil
}

// count keeps the requests that are under way.
func (s *RedisServer) count(request string, by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.underWay[request] += by; s.underWay[request] == 0 {
		delete(s.underWay, request)
	}
}
