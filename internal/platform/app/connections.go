package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"quadrille/internal/platform/rest/call"
	"quadrille/pkg/broker"
	"quadrille/pkg/rpc"
	"quadrille/pkg/rpc/amqprpc"
	"quadrille/pkg/rpc/redisrpc"
)

// Connections holds the connections of a process: at most two to RabbitMQ, which the log and
// RPC share, and a pool to Redis. Each is opened on first use. It is safe for concurrent use.
type Connections struct {
	cfg Config
	log *slog.Logger

	mu        sync.Mutex
	sessions  map[string]*broker.Session // by purpose
	redis     *redis.Client
	calls     *redisrpc.Link // carries all calls over Redis; nil before the first
	served    int            // services of this process that are called over Redis
	overRedis bool           // calls use Redis, so that the process is not ready without it
	tunnels   []*rpc.RoundTripper
	clients   []*http.Client
	closed    bool
}

// NewConnections returns Connections without connecting.
func NewConnections(cfg Config, log *slog.Logger) *Connections {
	return &Connections{cfg: cfg, log: log, sessions: map[string]*broker.Session{}}
}

// Purposes of the two connections to the broker. A broker short of memory or disk blocks
// connections that publish; consumers need a connection that is not blocked.
const (
	publishing = "publish"
	reading    = "read"
)

// session returns the connection for a purpose and opens it on first use. RPC shares the one
// for publishing.
func (c *Connections) session(purpose string) (*broker.Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errConnectionsClosed
	}
	if s := c.sessions[purpose]; s != nil {
		return s, nil
	}
	brokers := c.cfg.Brokers()
	if len(brokers) == 0 {
		return nil, errors.New("AMQP_URL is not set")
	}
	if err := broker.Check(brokers); err != nil {
		return nil, fmt.Errorf("AMQP_URL: %w", err)
	}
	s := broker.New(purpose, brokers, c.log)
	c.sessions[purpose] = s
	return s, nil
}

// redisClient returns the Redis client for calls.
func (c *Connections) redisClient() (*redis.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.overRedis = true
	return c.openRedis()
}

// sharedRedis returns the Redis client for shared data that processes can do without, or nil if
// no Redis is configured. Unlike redisClient, it does not make readiness depend on Redis.
func (c *Connections) sharedRedis() (*redis.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cfg.RedisURL == "" {
		return nil, nil
	}
	return c.openRedis()
}

// openRedis returns the Redis client and creates it on first use. The caller must hold c.mu. A
// configured pool size is raised to what RPC needs: the connections of the link and of each
// server in this process.
func (c *Connections) openRedis() (*redis.Client, error) {
	if c.closed {
		return nil, errConnectionsClosed
	}
	if c.redis != nil {
		return c.redis, nil
	}
	options, err := c.cfg.redisOptions()
	if err != nil {
		return nil, err
	}
	if options.PoolSize > 0 {
		options.PoolSize = max(options.PoolSize, redisrpc.LinkConnections+redisrpc.ServerConnections*c.served)
	}
	c.redis = redis.NewClient(options)
	return c.redis, nil
}

// serve counts the services of this process that are called over Redis. Call it before the
// first connection.
func (c *Connections) serve(over func(service string) string, services []Service) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range services {
		if scheme, _, _ := tunnel(over(s.Name)); scheme == schemeRedis {
			c.served++
		}
	}
}

// HTTP returns a client that reaches every service: over HTTP, or tunnelled as RPC over the
// broker or Redis.
func (c *Connections) HTTP(timeout time.Duration) *http.Client {
	overAMQP, overRedis := rpc.NewRoundTripper(clientOf(c.dialAMQP)), rpc.NewRoundTripper(clientOf(c.dialRedis))
	hc := call.New(call.Config{
		Token: c.cfg.Token, Timeout: timeout,
		Schemes: map[string]http.RoundTripper{schemeAMQP: overAMQP, schemeRedis: overRedis},
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tunnels = append(c.tunnels, overAMQP, overRedis)
	c.clients = append(c.clients, hc)
	return hc
}

func clientOf(dial func(string) (rpc.Transport, error)) func(string) (*rpc.Client, error) {
	return func(queue string) (*rpc.Client, error) {
		t, err := dial(queue)
		if err != nil {
			return nil, err
		}
		return rpc.NewClient(t), nil
	}
}

func (c *Connections) dialAMQP(queue string) (rpc.Transport, error) {
	s, err := c.session(publishing)
	if err != nil {
		return nil, err
	}
	ready, cancel := context.WithTimeout(context.Background(), dialWithin)
	defer cancel()
	_ = s.Ready(ready) // the call itself returns the error
	return amqprpc.New(amqprpc.Config{Session: s, Queue: queue})
}

// dialWithin limits how long a first call waits for the connection to open.
const dialWithin = 3 * time.Second

func (c *Connections) dialRedis(list string) (rpc.Transport, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errConnectionsClosed
	}
	c.overRedis = true
	if c.calls == nil {
		client, err := c.openRedis()
		if err != nil {
			return nil, err
		}
		c.calls = redisrpc.NewLink(client)
	}
	return redisrpc.New(redisrpc.Config{Link: c.calls, List: list})
}

// Dial returns a transport to a target: amqp:QUEUE, redis:LIST or an HTTP URL. Over Redis, each
// call gets its reply on its own list, which every server supports.
func (c *Connections) Dial(target string) (rpc.Transport, error) {
	scheme, queue, tunnelled := tunnel(target)
	u, err := url.Parse(target)
	switch {
	case tunnelled && queue == "":
		return nil, fmt.Errorf("%q has no queue: use amqp:QUEUE or redis:LIST", target)
	case scheme == schemeAMQP:
		return c.dialAMQP(queue)
	case scheme == schemeRedis:
		client, err := c.redisClient()
		if err != nil {
			return nil, err
		}
		return redisrpc.New(redisrpc.Config{Redis: client, List: queue, PerCall: true})
	case err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"):
		return rpc.NewHTTP(target, &http.Client{}), nil
	default:
		return nil, fmt.Errorf("%q is neither amqp:QUEUE nor redis:LIST nor http://host/path", target)
	}
}

// server returns a loop that serves h over RPC at the queue or list of base, the URL of a
// service. It returns nil if base is an HTTP URL.
func (c *Connections) server(base string, h http.Handler, log *slog.Logger) (run loop, err error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("URL of the service: %w", err)
	}
	methods := rpc.NewServer(rpc.ServerConfig{Log: log})
	rpc.ServeHTTP(methods, h)
	switch u.Scheme {
	case schemeAMQP:
		session, err := c.session(publishing)
		if err != nil {
			return nil, err
		}
		s, err := amqprpc.NewServer(amqprpc.ServerConfig{Session: session, Queue: u.Host, Server: methods, Log: log})
		if err != nil {
			return nil, err
		}
		return s.Run, nil
	case schemeRedis:
		client, err := c.redisClient()
		if err != nil {
			return nil, err
		}
		s, err := redisrpc.NewServer(redisrpc.ServerConfig{Redis: client, List: u.Host, Server: methods, Log: log})
		if err != nil {
			return nil, err
		}
		return s.Run, nil
	default:
		return nil, nil
	}
}

// state returns an error while the broker or the Redis that RPC uses is unavailable.
func (c *Connections) state(ctx context.Context) error {
	c.mu.Lock()
	session, client, overRedis := c.sessions[publishing], c.redis, c.overRedis
	c.mu.Unlock()
	if session != nil {
		if err := session.State(); err != nil {
			return err
		}
	}
	if client != nil && overRedis {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := client.Ping(ctx).Err(); err != nil {
			return fmt.Errorf("at Redis: %w", err)
		}
	}
	return nil
}

// Close closes every connection. Calls in progress fail. Close does not hold the lock while it
// closes them, because a call that is dialling needs it.
func (c *Connections) Close() error {
	c.mu.Lock()
	c.closed = true
	tunnels, clients, sessions, calls, client := c.tunnels, c.clients, c.sessions, c.calls, c.redis
	c.tunnels, c.clients, c.sessions, c.calls, c.redis = nil, nil, nil, nil, nil
	c.mu.Unlock()
	var closing errgroup.Group // a transport may take a second
	for _, t := range tunnels {
		closing.Go(t.Close)
	}
	err := closing.Wait()
	for _, hc := range clients {
		hc.CloseIdleConnections()
	}
	for _, s := range sessions {
		s.Close()
	}
	if calls != nil {
		calls.Close()
	}
	if client != nil {
		err = errors.Join(err, client.Close())
	}
	return err
}

var errConnectionsClosed = errors.New("the connections of this process are closed")
