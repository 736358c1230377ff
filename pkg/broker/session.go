package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	amqp "github.com/rabbitmq/amqp091-go"
)

// What can be wrong with a connection. Both are transient.
var (
	// ErrUnavailable: there is none just now.
	ErrUnavailable = errors.New("broker is not reachable")
	// ErrBlocked: the broker takes no messages just now (memory or disk alarm).
	ErrBlocked = errors.New("broker takes no messages just now")
	// ErrClosed: the session was closed by its owner.
	ErrClosed = errors.New("session is closed")
)

// Session keeps one AMQP connection up: it dials the brokers in turn, runs until
// anything breaks, backs off with jitter and dials again, for ever.
type Session struct {
	purpose string // "publish" or "read", for logs and the broker's list of connections
	urls    []string
	log     *slog.Logger
	cancel  context.CancelFunc
	ended   chan struct{}

	mu      sync.Mutex
	conn    *amqp.Connection // nil while there is none
	up      chan struct{}    // closed when conn comes up; anew when it breaks
	lastErr error            // why there is none
	blocked string           // the broker's reason while it takes no messages
}

// New makes a session and returns at once; it connects in the background. purpose
// is for logs and the broker's list of connections. URLs were checked by Check.
func New(purpose string, urls []string, log *slog.Logger) *Session {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Session{
		purpose: purpose, urls: urls, log: log.With("connection", purpose), cancel: cancel,
		ended: make(chan struct{}), up: make(chan struct{}), lastErr: errors.New("not connected yet"),
	}
	go s.supervise(ctx)
	return s
}

func (s *Session) supervise(ctx context.Context) {
	defer close(s.ended)
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 100*time.Millisecond, 5*time.Second
	lost := false
	for n := 0; ctx.Err() == nil; n++ {
		host, err := s.runOnce(ctx, s.urls[n%len(s.urls)], pause.Reset, lost)
		if ctx.Err() != nil {
			return
		}
		lost = true
		delay := pause.NextBackOff()
		next := hostOf(s.urls[(n+1)%len(s.urls)])
		s.log.Warn("no connection to RabbitMQ; trying again", "host", host, "error", err, "next_try_at", next, "in", delay.Round(time.Millisecond).String())
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
	}
}

// runOnce dials and stays until the connection breaks; the error says why.
func (s *Session) runOnce(ctx context.Context, url string, connected func(), again bool) (host string, err error) {
	host = hostOf(url)
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName("quadrille " + s.purpose)
	var wire net.Conn
	conn, err := amqp.DialConfig(url, amqp.Config{
		Heartbeat: 10 * time.Second, Locale: "en_US", Properties: properties,
		Dial: func(network, addr string) (net.Conn, error) {
			c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			wire = c
			return c, c.SetDeadline(time.Now().Add(10 * time.Second)) // for the handshake; the client lifts it
		},
	})
	if err != nil {
		if wire != nil {
			_ = wire.Close() // the client leaves a connection that was refused open for a while, and it counts
		}
		s.down(err)
		return host, err
	}
	broken := conn.NotifyClose(make(chan *amqp.Error, 1))
	blocked := conn.NotifyBlocked(make(chan amqp.Blocking, 16))
	connected()
	s.setUp(conn)
	if again {
		s.log.Info("connected to RabbitMQ again", "host", host)
	}
	for {
		select {
		case <-ctx.Done():
			s.down(ErrClosed)
			_ = conn.CloseDeadline(time.Now().Add(2 * time.Second)) // it goes either way
			return host, ctx.Err()
		case b, open := <-blocked:
			if !open {
				blocked = nil
				continue
			}
			s.setBlocked(b)
		case cause := <-broken:
			if cause == nil {
				err = errors.New("connection was closed")
			} else {
				err = cause
			}
			s.down(err)
			return host, err
		}
	}
}

func (s *Session) setUp(conn *amqp.Connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn, s.lastErr, s.blocked = conn, nil, ""
	close(s.up)
}

func (s *Session) down(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.up = make(chan struct{})
	}
	s.conn, s.lastErr, s.blocked = nil, err, ""
}

func (s *Session) setBlocked(b amqp.Blocking) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.Active {
		s.blocked = b.Reason
		s.log.Warn("RabbitMQ takes no messages", "reason", b.Reason)
		return
	}
	s.blocked = ""
	s.log.Info("RabbitMQ takes messages again")
}

// Connection returns the current connection, or ErrUnavailable while there is none.
func (s *Session) Connection() (*amqp.Connection, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, s.lastErr)
	}
	return s.conn, nil
}

// State returns nil while messages can be sent, and the reason otherwise.
func (s *Session) State() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.conn == nil:
		return fmt.Errorf("%w: RabbitMQ at %s: %w", ErrUnavailable, hosts(s.urls), s.lastErr)
	case s.blocked != "":
		return fmt.Errorf("%w: RabbitMQ says: %s", ErrBlocked, s.blocked)
	}
	return nil
}

// Ready waits until there is a connection.
func (s *Session) Ready(ctx context.Context) error {
	s.mu.Lock()
	up := s.up
	s.mu.Unlock()
	select {
	case <-up:
		return nil
	case <-ctx.Done():
		return errors.Join(s.State(), ctx.Err())
	}
}

// Close ends the session and its connection. A second Close does nothing.
func (s *Session) Close() {
	s.cancel()
	<-s.ended
}

// Check reports which of the URLs is none, without its password.
func Check(urls []string) error {
	for i, u := range urls {
		if _, err := amqp.ParseURI(u); err != nil {
			return fmt.Errorf("URL %d of %d is no AMQP URL (amqp://user:password@host:port/vhost)", i+1, len(urls))
		}
	}
	return nil
}

// hostOf returns host and port of a URL, without the password.
func hostOf(url string) string {
	u, err := amqp.ParseURI(url)
	if err != nil {
		return "?"
	}
	return net.JoinHostPort(u.Host, strconv.Itoa(u.Port))
}

func hosts(urls []string) string {
	shown := make([]string, len(urls))
	for i, u := range urls {
		shown[i] = hostOf(u)
	}
	return strings.Join(shown, ", ")
}
