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

// Links is what a process is connected by: at most two connections to RabbitMQ,
// which the log and RPC share, and a pool to Redis; each is made when it is first
// needed. It is safe for concurrent use.
type Links struct {
	cfg Config
	log *slog.Logger

	mu       sync.Mutex
	sessions map[string]*broker.Session // by purpose
	redis    *redis.Client
	calls    *redisrpc.Link // what all calls over Redis go by; nil before the first
	served   int            // services of this process that are called over Redis
	carried  bool           // calls go over Redis, which then must be there
	carriers []*rpc.RoundTripper
	clients  []*http.Client
	closed   bool
}

// NewLinks connects nothing yet.
func NewLinks(cfg Config, log *slog.Logger) *Links {
	return &Links{cfg: cfg, log: log, sessions: map[string]*broker.Session{}}
}

// The two connections to the broker: it holds up those that publish while it is
// short of memory or disk, and readers must not be held up with them.
const (
	publishing = "publish"
	reading    = "read"
)

// session returns the connection for a purpose. RPC shares the one for publishing.
func (l *Links) session(purpose string) (*broker.Session, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errLinksClosed
	}
	if s := l.sessions[purpose]; s != nil {
		return s, nil
	}
	brokers := l.cfg.Brokers()
	if len(brokers) == 0 {
		return nil, errors.New("AMQP_URL is not set")
	}
	if err := broker.Check(brokers); err != nil {
		return nil, fmt.Errorf("AMQP_URL: %w", err)
	}
	s := broker.New(purpose, brokers, l.log)
	l.sessions[purpose] = s
	return s, nil
}

// redisClient returns the pool of connections to Redis, for calls.
func (l *Links) redisClient() (*redis.Client, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.carried = true
	return l.openRedis()
}

// sharedRedis returns the same for what processes share, and can do without; nil where
// there is no Redis.
func (l *Links) sharedRedis() (*redis.Client, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cfg.RedisURL == "" {
		return nil, nil
	}
	return l.openRedis()
}

// openRedis wants l.mu. A pool that was told to be small has what RPC uses at least:
// the connections of the link and of each server here.
func (l *Links) openRedis() (*redis.Client, error) {
	if l.closed {
		return nil, errLinksClosed
	}
	if l.redis != nil {
		return l.redis, nil
	}
	options, err := l.cfg.redisOptions()
	if err != nil {
		return nil, err
	}
	if options.PoolSize > 0 {
		options.PoolSize = max(options.PoolSize, redisrpc.LinkConnections+redisrpc.ServerConnections*l.served)
	}
	l.redis = redis.NewClient(options)
	return l.redis, nil
}

// serve says how many services of this process may be called over Redis. It is said
// before the first connection.
func (l *Links) serve(over func(service string) string, services []Service) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range services {
		if scheme, _, _ := carrier(over(s.Name)); scheme == schemeRedis {
			l.served++
		}
	}
}

// HTTP returns a client that reaches every service, whichever way it is reached: over
// HTTP, or over the broker or Redis as RPC.
func (l *Links) HTTP(timeout time.Duration) *http.Client {
	overAMQP, overRedis := rpc.NewRoundTripper(clientOf(l.dialAMQP)), rpc.NewRoundTripper(clientOf(l.dialRedis))
	hc := call.New(call.Config{
		Token: l.cfg.Token, Timeout: timeout,
		Schemes: map[string]http.RoundTripper{schemeAMQP: overAMQP, schemeRedis: overRedis},
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.carriers = append(l.carriers, overAMQP, overRedis)
	l.clients = append(l.clients, hc)
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

func (l *Links) dialAMQP(queue string) (rpc.Transport, error) {
	s, err := l.session(publishing)
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

func (l *Links) dialRedis(list string) (rpc.Transport, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errLinksClosed
	}
	l.carried = true
	if l.calls == nil {
		c, err := l.openRedis()
		if err != nil {
			return nil, err
		}
		l.calls = redisrpc.NewLink(c)
	}
	return redisrpc.New(redisrpc.Config{Link: l.calls, List: list})
}

// Dial returns a transport to a target: amqp:QUEUE, redis:LIST or an HTTP URL. A reply
// over Redis comes on a list of the call's own, as every server knows it.
func (l *Links) Dial(target string) (rpc.Transport, error) {
	scheme, queue, carried := carrier(target)
	u, err := url.Parse(target)
	switch {
	case carried && queue == "":
		return nil, fmt.Errorf("%q names no queue: amqp:QUEUE or redis:LIST", target)
	case scheme == schemeAMQP:
		return l.dialAMQP(queue)
	case scheme == schemeRedis:
		c, err := l.redisClient()
		if err != nil {
			return nil, err
		}
		return redisrpc.New(redisrpc.Config{Redis: c, List: queue, PerCall: true})
	case err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"):
		return rpc.NewHTTP(target, &http.Client{}), nil
	default:
		return nil, fmt.Errorf("%q is neither amqp:QUEUE nor redis:LIST nor http://host/path", target)
	}
}

// server serves h at where base, the URL of a service, has callers ask; nil where
// that is plain HTTP.
func (l *Links) server(base string, h http.Handler, log *slog.Logger) (run loop, err error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("URL of the service: %w", err)
	}
	methods := rpc.NewServer(rpc.ServerConfig{Log: log})
	rpc.ServeHTTP(methods, h)
	switch u.Scheme {
	case schemeAMQP:
		session, err := l.session(publishing)
		if err != nil {
			return nil, err
		}
		s, err := amqprpc.NewServer(amqprpc.ServerConfig{Session: session, Queue: u.Host, Server: methods, Log: log})
		if err != nil {
			return nil, err
		}
		return s.Run, nil
	case schemeRedis:
		c, err := l.redisClient()
		if err != nil {
			return nil, err
		}
		s, err := redisrpc.NewServer(redisrpc.ServerConfig{Redis: c, List: u.Host, Server: methods, Log: log})
		if err != nil {
			return nil, err
		}
		return s.Run, nil
	default:
		return nil, nil
	}
}

// state returns nil while what RPC goes over is there.
func (l *Links) state(ctx context.Context) error {
	l.mu.Lock()
	session, client, carried := l.sessions[publishing], l.redis, l.carried
	l.mu.Unlock()
	if session != nil {
		if err := session.State(); err != nil {
			return err
		}
	}
	if client != nil && carried {
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
func (l *Links) Close() error {
	l.mu.Lock()
	l.closed = true
	carriers, clients, sessions, calls, client := l.carriers, l.clients, l.sessions, l.calls, l.redis
	l.carriers, l.clients, l.sessions, l.calls, l.redis = nil, nil, nil, nil, nil
	l.mu.Unlock()
	var closing errgroup.Group // a transport may take a second
	for _, c := range carriers {
		closing.Go(c.Close)
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

var errLinksClosed = errors.New("the connections of this process are closed")
