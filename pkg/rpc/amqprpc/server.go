package amqprpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"quadrille/pkg/broker"
	"quadrille/pkg/rpc"
	"quadrille/pkg/rpc/internal/grace"
)

// ServerConfig names the queue to serve.
type ServerConfig struct {
	Session    *broker.Session // the caller closes it
	Queue      string
	Server     *rpc.Server
	Concurrent int // requests handled at a time; 64 if 0
	// Transient declares a queue that a restart of the broker removes. Programs that
	// declare the queue with AMQP's defaults get an error if it is durable.
	Transient bool
	Serving   func()        // if set, called each time the server starts to consume
	Grace     time.Duration // for requests in progress when Run's context ends; 5 s if 0
	Log       *slog.Logger
}

// Server answers the requests of a queue. It declares the queue, durable unless
// Transient, if it does not exist, and uses an existing one as it is. Any number of
// servers share a queue.
//
// A server acknowledges a request after it has sent the reply. If the server dies or
// loses its connection before, another server receives the request, and the method may
// run twice. The first run's context ends where the server notices the loss.
type Server struct{ cfg ServerConfig }

// NewServer returns a server. Call Run to start it.
func NewServer(cfg ServerConfig) (*Server, error) {
	if cfg.Session == nil || cfg.Queue == "" || cfg.Server == nil || cfg.Log == nil {
		return nil, errors.New("rpc over RabbitMQ: Session, Queue, Server and Log are required")
	}
	if cfg.Concurrent == 0 {
		cfg.Concurrent = 64
	}
	if cfg.Grace == 0 {
		cfg.Grace = grace.Default
	}
	if cfg.Serving == nil {
		cfg.Serving = func() {}
	}
	return &Server{cfg: cfg}, nil
}

// Run serves until ctx ends. It then takes no more requests, finishes those in progress
// within Grace and returns nil. Run cancels the context of requests that exceed Grace
// and leaves them to the queue. It retries while the broker is unavailable.
func (s *Server) Run(ctx context.Context) error {
	for logged := false; ctx.Err() == nil; {
		err := s.runOnce(ctx, func() { logged = false; s.cfg.Serving() })
		if !logged && ctx.Err() == nil {
			s.cfg.Log.Warn("cannot serve RPC queue; retrying", "queue", s.cfg.Queue, "error", err)
			logged = true
		}
		grace.Pause(ctx, 200*time.Millisecond)
	}
	return nil
}

// runOnce serves until the channel breaks or ctx ends.
func (s *Server) runOnce(ctx context.Context, serving func()) error {
	ch, requests, err := s.consume(ctx)
	if err != nil {
		return err
	}
	defer closeChannel(ch)
	serving()
	stop := context.AfterFunc(ctx, func() { _ = ch.Cancel(consumerTag, false) }) // closes requests; those in progress are finished
	defer stop()
	over, release := grace.After(ctx, s.cfg.Grace)
	defer release()
	return s.handleAll(ctx, ch, requests, over)
}

// handleAll handles requests until the channel of deliveries closes, then waits for
// those in progress until over is closed. If the AMQP channel broke, their replies
// cannot be sent any more: handleAll cancels them, and another server receives them.
func (s *Server) handleAll(ctx context.Context, ch *amqp.Channel, requests <-chan amqp.Delivery, over <-chan struct{}) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var working sync.WaitGroup
	for {
		select {
		case d, open := <-requests:
			if open {
				working.Go(func() { s.handle(work, ch, d) })
				continue
			}
			if ctx.Err() == nil {
				return errors.New("the channel was closed")
			}
			if grace.Wait(&working, over) {
				return nil
			}
		case <-over: // the broker does not confirm the cancellation of the consumer either
		}
		s.cfg.Log.Warn("requests did not finish in time; returning them to the queue", "queue", s.cfg.Queue)
		return nil
	}
}

// closeChannel closes a channel. It waits at most one second: a channel of a hanging
// connection ends with the connection.
func closeChannel(ch *amqp.Channel) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = ch.Close() // a broken one is closed already
	}()
	select {
	case <-ended:
	case <-time.After(time.Second):
	}
}

const consumerTag = "rpc"

// consume starts a consumer. It returns when ctx ends, because on a hanging connection
// the broker's answer takes until the heartbeats detect the hang.
func (s *Server) consume(ctx context.Context) (*amqp.Channel, <-chan amqp.Delivery, error) {
	type consumer struct {
		ch       *amqp.Channel
		requests <-chan amqp.Delivery
		err      error
	}
	result := make(chan consumer, 1)
	go func() {
		var c consumer
		if c.ch, c.err = s.open(); c.err == nil {
			if c.requests, c.err = c.ch.Consume(s.cfg.Queue, consumerTag, false, false, false, false, nil); c.err != nil {
				c.err = fmt.Errorf("consume %s: %w", s.cfg.Queue, c.err)
				_ = c.ch.Close() // the broker has closed it already if it refused
			}
		}
		result <- c
	}()
	select {
	case c := <-result:
		return c.ch, c.requests, c.err
	case <-ctx.Done():
		go func() {
			if c := <-result; c.err == nil {
				_ = c.ch.Close() // nothing was taken on it
			}
		}()
		return nil, nil, ctx.Err()
	}
}

// open opens a channel and makes sure that the queue exists.
func (s *Server) open() (*amqp.Channel, error) {
	conn, err := s.cfg.Session.Connection()
	if err != nil {
		return nil, err
	}
	ch, err := conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open channel: %w", err)
	}
	_, err = ch.QueueDeclarePassive(s.cfg.Queue, true, false, false, false, nil)
	var refused *amqp.Error
	if errors.As(err, &refused) && refused.Code == amqp.NotFound { // which also closes the channel
		if ch, err = conn.Channel(); err == nil {
			_, err = ch.QueueDeclare(s.cfg.Queue, !s.cfg.Transient, false, false, false, nil)
		}
	}
	if err == nil {
		err = ch.Qos(s.cfg.Concurrent, 0, false)
	}
	if err != nil {
		return nil, fmt.Errorf("declare queue %s: %w", s.cfg.Queue, err)
	}
	return ch, nil
}

// handle answers one request. It leaves the request unacknowledged, for another
// server, if ctx was cancelled or the reply cannot be sent.
func (s *Server) handle(ctx context.Context, ch *amqp.Channel, d amqp.Delivery) {
	reply := s.cfg.Server.Handle(ctx, d.Body)
	if ctx.Err() != nil {
		return
	}
	if reply != nil && d.ReplyTo != "" {
		err := ch.PublishWithContext(ctx, "", d.ReplyTo, false, false, amqp.Publishing{
			ContentType: rpc.ContentType, CorrelationId: d.CorrelationId, Body: reply,
		})
		if err != nil {
			return
		}
	}
	_ = d.Ack(false) // fails only on a broken channel, which returns the request
}
