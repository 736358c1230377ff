package redisrpc

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"quadrille/pkg/rpc"
	"quadrille/pkg/rpc/internal/grace"
)

// ServerConfig names the list to serve.
type ServerConfig struct {
	Redis      *redis.Client
	List       string
	Server     *rpc.Server
	Concurrent int           // requests handled at a time; 64 if 0
	Alive      time.Duration // a server without a heartbeat for this long counts as dead; 10 s if 0
	ReplyFor   time.Duration // how long a reply waits for its caller; 1 min if 0
	Grace      time.Duration // for requests in progress when Run's context ends; 5 s if 0
	Log        *slog.Logger
}

// Server answers the requests of a list. Any number of servers share a list. One uses
// ServerConnections connections.
//
// While a server handles a request, the request lies in a working list of its own. If
// the server dies, another one requeues the request within one and a half times Alive,
// and the method may run twice.
type Server struct {
	cfg      ServerConfig
	keys     keys
	instance string
	slots    chan struct{} // holds one element for each request in progress

	mu         sync.Mutex
	unsent     []answered
	sending    bool           // a goroutine is sending replies
	inProgress map[string]int // requests, several of which may be equal
}

// NewServer returns a server. Call Run to start it, once.
func NewServer(cfg ServerConfig) (*Server, error) {
	if cfg.Redis == nil || cfg.List == "" || cfg.Server == nil || cfg.Log == nil {
		return nil, errors.New("rpc over Redis: Redis, List, Server and Log are required")
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
		cfg.Grace = grace.Default
	}
	return &Server{
		cfg: cfg, keys: keys{cfg.List}, instance: uuid.NewString(), slots: make(chan struct{}, cfg.Concurrent),
		inProgress: map[string]int{},
	}, nil
}

// Run serves until ctx ends. It then takes no more requests, finishes those in progress
// within Grace and returns nil. Run cancels the context of requests that exceed Grace
// and returns them to the list. It retries while Redis is unavailable.
func (s *Server) Run(ctx context.Context) error {
	uncancelled := context.WithoutCancel(ctx)
	background, stop := context.WithCancel(uncancelled)
	var helpers sync.WaitGroup
	s.register(ctx)
	helpers.Go(func() { // a heartbeat that fails is followed by another
		every(background, min(s.cfg.Alive/3, time.Second), func(ctx context.Context) { _ = s.heartbeat(ctx) })
	})
	helpers.Go(func() { every(ctx, s.cfg.Alive/2, s.requeueOfDead) })
	helpers.Go(func() { every(ctx, s.cfg.Alive/2, s.requeueOrphans()) })
	over, release := grace.After(ctx, s.cfg.Grace)
	defer release()
	work, cancel := context.WithCancel(uncancelled)
	defer cancel()
	var working sync.WaitGroup
	s.take(ctx, func(request string) {
		working.Go(func() { s.handle(work, request) })
	})
	if !grace.Wait(&working, over) {
		s.cfg.Log.Warn("requests did not finish in time; returning them to the list", "list", s.cfg.List)
		cancel()
	}
	stop()
	var leaving sync.WaitGroup
	leaving.Go(func() { helpers.Wait(); s.deregister(uncancelled) })
	late, end := context.WithTimeout(uncancelled, 3*time.Second)
	defer end()
	grace.Wait(&leaving, late.Done()) // does not wait longer for a connection that hangs
	return nil
}

func every(ctx context.Context, d time.Duration, do func(context.Context)) {
	for ctx.Err() == nil {
		do(ctx)
		grace.Pause(ctx, d)
	}
}

// count adds by to the number of equal requests in progress.
func (s *Server) count(request string, by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inProgress[request] += by; s.inProgress[request] == 0 {
		delete(s.inProgress, request)
	}
}

// inProgressCount returns the number of requests in progress.
func (s *Server) inProgressCount() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, times := range s.inProgress {
		n += int64(times)
	}
	return n
}
