package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"quadrille/pkg/broker"
)

// RabbitMQServerConfig says which queue is served.
type RabbitMQServerConfig struct {
	Session    *broker.Session // stays the caller's to close
	Queue      string
	Server     *Server
	Concurrent int // requests worked on at a time; 64 where 0
	// Transient declares the queue as one that a restart of the broker removes:
	// programs that declare it with AMQP's defaults are refused a durable one.
	Transient bool
	Serving   func() // where set, called each time the queue begins to be served
	Log       *slog.Logger
}

// RabbitMQServer answers requests from a queue, which it declares, durable unless
// Transient, where there is none; one that exists is used as it is. A request is acknowledged after
// its reply was sent: where this server dies over it, another one gets it, and a
// method may then run twice. Any number of servers share the queue.
type RabbitMQServer struct{ cfg RabbitMQServerConfig }

// NewRabbitMQServer makes a server. Run sets it going.
func NewRabbitMQServer(cfg RabbitMQServerConfig) (*RabbitMQServer, error) {
	if cfg.Session == nil || cfg.Queue == "" || cfg.Server == nil || cfg.Log == nil {
		return nil, errors.New("rpc over RabbitMQ: Session, Queue, Server and Log are needed")
	}
	if cfg.Concurrent == 0 {
		cfg.Concurrent = 64
	}
	if cfg.Serving == nil {
		cfg.Serving = func() {}
	}
	return &RabbitMQServer{cfg: cfg}, nil
}

// Run serves until ctx ends; then it finishes what it is at and returns nil. While
// the broker is away it tries again.
func (s *RabbitMQServer) Run(ctx context.Context) error {
	for told := false; ctx.Err() == nil; {
		err := s.runOnce(ctx, func() { told = false; s.cfg.Serving() })
		if !told && ctx.Err() == nil {
			s.cfg.Log.Warn("RPC queue cannot be served; trying again", "queue", s.cfg.Queue, "error", err)
			told = true
		}
		pause(ctx, 200*time.Millisecond)
	}
	return nil
}

// runOnce serves until the channel breaks or ctx ends.
func (s *RabbitMQServer) runOnce(ctx context.Context, serving func()) error {
	ch, err := s.open()
	if err != nil {
		return err
	}
	defer ch.Close() //nolint:errcheck // one that broke is closed already
	const tag = "rpc"
	requests, err := ch.Consume(s.cfg.Queue, tag, false, false, false, false, nil)
	if err != nil {
		return fmt.Errorf("consume %s: %w", s.cfg.Queue, err)
	}
	serving()
	stop := context.AfterFunc(ctx, func() { _ = ch.Cancel(tag, false) }) // ends requests; what is under way is finished
	defer stop()
	var working sync.WaitGroup
	defer working.Wait()
	for d := range requests {
		working.Go(func() { s.answer(context.WithoutCancel(ctx), ch, d) })
	}
	return errors.New("the channel was closed")
}

// open opens a channel on which the queue is there.
func (s *RabbitMQServer) open() (*amqp.Channel, error) {
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
	if errors.As(err, &refused) && refused.Code == amqp.NotFound { // and the channel is closed
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

// answer works on one request. On a channel that broke meanwhile nothing can be
// said any more: the broker gives the request to another server.
func (s *RabbitMQServer) answer(ctx context.Context, ch *amqp.Channel, d amqp.Delivery) {
	reply := s.cfg.Server.Handle(ctx, d.Body)
	if reply != nil && d.ReplyTo != "" {
		err := ch.PublishWithContext(ctx, "", d.ReplyTo, false, false, amqp.Publishing{
			ContentType: contentType, CorrelationId: d.CorrelationId, Body: reply,
		})
		if err != nil {
			return
		}
	}
	_ = d.Ack(false) // likewise
}
