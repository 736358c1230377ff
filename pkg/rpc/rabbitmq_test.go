package rpc_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/google/uuid"

	"quadrille/pkg/broker"
	"quadrille/pkg/rpc"
	"quadrille/pkg/rpc/amqprpc"
	"quadrille/test/harness/parts"
)

func session(t *testing.T, purpose, url string) *broker.Session {
	t.Helper()
	s := broker.New(purpose, []string{url}, slog.New(slog.DiscardHandler))
	t.Cleanup(s.Close)
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// queue returns the name of a new queue, which it deletes at the end of the test.
func queue(t *testing.T, url string) string {
	t.Helper()
	name := "t" + uuid.NewString()
	t.Cleanup(func() {
		s := broker.New("clean up", []string{url}, slog.New(slog.DiscardHandler))
		defer s.Close()
		if err := s.Ready(context.Background()); err != nil {
			t.Error(err)
			return
		}
		conn, err := s.Connection()
		if err != nil {
			t.Error(err)
			return
		}
		if ch, err := conn.Channel(); err == nil {
			_, _ = ch.QueueDelete(name, false, false, false)
		}
	})
	return name
}

// serveRabbitMQ serves until end is called or the test ends. It returns when the queue has a
// consumer.
func serveRabbitMQ(t *testing.T, cfg amqprpc.ServerConfig) (stop context.CancelFunc, ended <-chan struct{}) {
	t.Helper()
	serving := make(chan struct{})
	cfg.Serving, cfg.Log = sync.OnceFunc(func() { close(serving) }), slog.New(slog.DiscardHandler)
	server, err := amqprpc.NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	stop, ended = run(t, server.Run)
	<-serving
	return stop, ended
}

// run runs a server until stop is called or the test ends.
func run(t *testing.T, serve func(context.Context) error) (stop context.CancelFunc, ended <-chan struct{}) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		if err := serve(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { stop(); <-over })
	return stop, over
}

// ender stops a server, and waits for it unless it is to die.
func ender(stop context.CancelFunc, ended <-chan struct{}, die func()) func(dies bool) {
	return func(dies bool) {
		if dies {
			die()
		}
		stop()
		if !dies {
			<-ended
		}
	}
}

func overRabbitMQ(t *testing.T, url string) driver {
	t.Helper()
	return rabbitMQ(url, queue(t, url))
}

func rabbitMQ(url, name string) driver {
	return driver{
		takesBack: true, queues: false, // a queue is there once it was served
		serve: func(t *testing.T, s *rpc.Server) func(bool) {
			own := session(t, "server", url)
			stop, ended := serveRabbitMQ(t, amqprpc.ServerConfig{Session: own, Queue: name, Server: s})
			return ender(stop, ended, own.Close) // it can say nothing any more
		},
		dial: func(t *testing.T) *rpc.Client {
			transport, err := amqprpc.New(amqprpc.Config{Session: session(t, "client", url), Queue: name})
			if err != nil {
				t.Fatal(err)
			}
			c := rpc.NewClient(transport)
			t.Cleanup(func() { _ = c.Close() })
			return c
		},
	}
}

// The server also calls Serving each time it starts to consume.
func TestServerDeclaresQueueAsConfigured(t *testing.T) {
	for what, transient := range map[string]bool{"durable": false, "transient": true} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			url := parts.RabbitMQ(t)
			name, own := queue(t, url), session(t, "server", url)
			stop, ended := serveRabbitMQ(t, amqprpc.ServerConfig{Session: own, Queue: name, Server: newEcho().Server, Transient: transient})
			stop()
			<-ended
			conn, err := own.Connection()
			if err != nil {
				t.Fatal(err)
			}
			for _, durable := range []bool{transient, !transient} { // the first is refused, and closes the channel
				ch, err := conn.Channel()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := ch.QueueDeclare(name, durable, false, false, false, nil); (err == nil) != (durable == !transient) {
					t.Errorf("declared again as durable %t: %v", durable, err)
				}
				_, _ = ch.QueueDelete(name, false, false, false)
			}
		})
	}
}
