// Package broker keeps connections to RabbitMQ open: it dials the nodes of a list in turn,
// without limit, and reports the state of the connection. The event log and the RPC
// transport are built on it.
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

// Errors of a session. ErrUnavailable and ErrBlocked are transient.
var (
	// ErrUnavailable means that there is no connection at the moment.
	ErrUnavailable = errors.New("broker is not reachable")
	// ErrBlocked means that the broker accepts no messages at the moment, because of a
	// memory or disk alarm.
	ErrBlocked = errors.New("broker accepts no messages at the moment")
	// ErrClosed means that Close was called.
	ErrClosed = errors.New("session is closed")
)

// Session keeps one AMQP connection open. It dials the brokers in turn, waits until the
// connection breaks, backs off with jitter and dials again, without limit. It is safe for
// concurrent use.
type Session struct {
	purpose string // "publish" or "read", for logs and the broker's list of connections
	urls    []string
	log     *slog.Logger
	cancel  context.CancelFunc
	ended   chan struct{}

	mu      sync.Mutex
	conn    *amqp.Connection // nil while disconnected
	up      chan struct{}    // closed while connected; replaced when the connection breaks
	lastErr error            // reason for being disconnected
	blocked string           // the broker's reason for accepting no messages; "" if it accepts them
}

// New returns a session at once and connects in the background. purpose appears in logs
// and in the broker's list of connections. The URLs must have passed Check.
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
		s.log.Warn("no connection to RabbitMQ; dialing again", "host", host, "error", err, "next_try_at", next, "in", delay.Round(time.Millisecond).String())
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
	}
}

// runOnce dials and waits until the connection breaks or ctx ends. It returns the reason.
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
			return c, c.SetDeadline(time.Now().Add(10 * time.Second)) // for the handshake; the client removes it
		},
	})
	if err != nil {
		if wire != nil {
			_ = wire.Close() // the client would keep a refused connection open for a while, and the broker counts it
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
			_ = conn.CloseDeadline(time.Now().Add(2 * time.Second)) // the connection closes even on an error
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
		s.log.Warn("RabbitMQ accepts no messages", "reason", b.Reason)
		return
	}
	s.blocked = ""
	s.log.Info("RabbitMQ accepts messages again")
}

// Connection returns the open connection. If there is none, the error wraps
// ErrUnavailable.
func (s *Session) Connection() (*amqp.Connection, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, s.lastErr)
	}
	return s.conn, nil
}

// State returns nil if messages can be sent, and an error that wraps ErrUnavailable or
// ErrBlocked otherwise.
func (s *Session) State() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.conn == nil:
		return fmt.Errorf("%w: RabbitMQ at %s: %w", ErrUnavailable, hosts(s.urls), s.lastErr)
	case s.blocked != "":
		return fmt.Errorf("%w: reason given by RabbitMQ: %s", ErrBlocked, s.blocked)
	}
	return nil
}

// Ready waits for a connection. If ctx ends first, the error has the state and ctx.Err().
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

// Close closes the connection and ends the session. Further calls do nothing.
func (s *Session) Close() {
	s.cancel()
	<-s.ended
}

// Check returns an error for the first of the URLs that is not an AMQP URL. The error has
// its number only, since the URL may contain a password.
func Check(urls []string) error {
	for i, u := range urls {
		if _, err := amqp.ParseURI(u); err != nil {
			return fmt.Errorf("URL %d of %d is not an AMQP URL (amqp://user:password@host:port/vhost)", i+1, len(urls))
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
