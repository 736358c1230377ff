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

// Connections are those of a process: at most two connections to RabbitMQ,
// which the log and RPC share, and a pool to Redis; each is made when it is first
// needed. It is safe for concurrent use.
type Connections struct {
	cfg Config
	log *slog.Logger

	mu        sync.Mutex
	sessions  map[string]*broker.Session // by purpose
	redis     *redis.Client
	calls     *redisrpc.Link // what all calls over Redis go by; nil before the first
	served    int            // services of this process that are called over Redis
	overRedis bool           // calls go over Redis, so that it is needed
	tunnels   []*rpc.RoundTripper
	clients   []*http.Client
	closed    bool
}

// NewConnections connects nothing yet.
func NewConnections(cfg Config, log *slog.Logger) *Connections {
	return &Connections{cfg: cfg, log: log, sessions: map[string]*broker.Session{}}
}

// The two connections to the broker: it holds up those that publish while it is
// short of memory or disk, and consumers must not be held up with them.
const (
	publishing = "publish"
	reading    = "read"
)

// session returns the connection for a purpose. RPC shares the one for publishing.
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

// redisClient returns the pool of connections to Redis, for calls.
func (c *Connections) redisClient() (*redis.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.overRedis = true
	return c.openRedis()
}

// sharedRedis returns the same for what processes share, and can do without; nil where
// there is no Redis.
func (c *Connections) sharedRedis() (*redis.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cfg.RedisURL == "" {
		return nil, nil
	}
	return c.openRedis()
}

// openRedis wants c.mu. A pool that was told to be small has what RPC uses at least:
// the connections of the link and of each server here.
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

// serve says how many services of this process may be called over Redis. It is said
// before the first connection.
func (c *Connections) serve(over func(service string) string, services []Service) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range services {
		if scheme, _, _ := tunnel(over(s.Name)); scheme == schemeRedis {
			c.served++
		}
	}
}

// HTTP returns a client that reaches every service, whichever way it is reached: over
// HTTP, or over the broker or Redis as RPC.
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
	_ = s.Ready(ready) // the call tells why not
	return amqprpc.New(amqprpc.Config{Session: s, Queue: queue})
}

// dialWithin is how long a first call waits for a connection that is just being
// made.
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

// Dial returns a transport to a target: amqp:QUEUE, redis:LIST or an HTTP URL. A reply
// over Redis comes on a list of the call's own, as every server knows it.
func (c *Connections) Dial(target string) (rpc.Transport, error) {
	scheme, queue, tunnelled := tunnel(target)
	u, err := url.Parse(target)
	switch {
	case tunnelled && queue == "":
		return nil, fmt.Errorf("%q names no queue: amqp:QUEUE or redis:LIST", target)
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

// server serves h at where base, the URL of a service, has callers ask; nil where
// that is plain HTTP.
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

// state returns nil while what RPC goes over is there.
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

// Close closes every connection. Calls under way fail. It does not hold the lock
// meanwhile: a call that is just dialling waits for that.
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
