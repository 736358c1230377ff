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
	Serving   func()        // where set, called each time the queue begins to be served
	Grace     time.Duration // for requests under way when Run's context ends; 5 s where 0
	Log       *slog.Logger
}

// RabbitMQServer answers requests from a queue, which it declares, durable unless
// Transient, where there is none; one that exists is used as it is. A request is
// acknowledged after its reply was sent: where this server dies over it, or loses its
// connection, another one gets it, and a method may then run twice; the first run has
// its context ended if it can be told. Any number of servers share the queue.
type RabbitMQServer struct{ cfg RabbitMQServerConfig }

// NewRabbitMQServer makes a server. Run sets it going.
func NewRabbitMQServer(cfg RabbitMQServerConfig) (*RabbitMQServer, error) {
	if cfg.Session == nil || cfg.Queue == "" || cfg.Server == nil || cfg.Log == nil {
		return nil, errors.New("rpc over RabbitMQ: Session, Queue, Server and Log are needed")
	}
	if cfg.Concurrent == 0 {
		cfg.Concurrent = 64
	}
	if cfg.Grace == 0 {
		cfg.Grace = usualGrace
	}
	if cfg.Serving == nil {
		cfg.Serving = func() {}
	}
	return &RabbitMQServer{cfg: cfg}, nil
}

// Run serves until ctx ends; then it takes no more requests, finishes what it is at
// within Grace and returns nil. What is not finished by then has its context ended
// and goes back to the queue. While the broker is away Run tries again.
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
	ch, requests, err := s.consume(ctx)
	if err != nil {
		return err
	}
	defer closeSoon(ch)
	serving()
	stop := context.AfterFunc(ctx, func() { _ = ch.Cancel(consumerTag, false) }) // ends requests; what is under way is finished
	defer stop()
	over, forget := afterEnd(ctx, s.cfg.Grace)
	defer forget()
	return s.take(ctx, ch, requests, over)
}

// take works on requests until there are no more, and finishes them until over.
// Where the channel broke, what was under way cannot be answered any more: it is
// abandoned, and another server gets it.
func (s *RabbitMQServer) take(ctx context.Context, ch *amqp.Channel, requests <-chan amqp.Delivery, over <-chan struct{}) error {
	work, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	var working sync.WaitGroup
	for {
		select {
		case d, open := <-requests:
			if open {
				working.Go(func() { s.answer(work, ch, d) })
				continue
			}
			if ctx.Err() == nil {
				return errors.New("the channel was closed")
			}
			if finished(&working, over) {
				return nil
			}
		case <-over: // the broker does not even hear that this server ends
		}
		s.cfg.Log.Warn("requests were not finished in time; others get them", "queue", s.cfg.Queue)
		return nil
	}
}

// closeSoon closes a channel, and leaves it to the end of its connection where that
// hangs.
func closeSoon(ch *amqp.Channel) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = ch.Close() // one that broke is closed already
	}()
	select {
	case <-ended:
	case <-time.After(time.Second):
	}
}

const consumerTag = "rpc"

// consume begins to take requests, or is given up when ctx ends: over a connection
// that hangs it takes as long as that needs to be found dead.
func (s *RabbitMQServer) consume(ctx context.Context) (*amqp.Channel, <-chan amqp.Delivery, error) {
	type begun struct {
		ch       *amqp.Channel
		requests <-chan amqp.Delivery
		err      error
	}
	result := make(chan begun, 1)
	go func() {
		var b begun
		if b.ch, b.err = s.open(); b.err == nil {
			if b.requests, b.err = b.ch.Consume(s.cfg.Queue, consumerTag, false, false, false, false, nil); b.err != nil {
				b.err = fmt.Errorf("consume %s: %w", s.cfg.Queue, b.err)
				_ = b.ch.Close() // what was refused has closed it already
			}
		}
		result <- b
	}()
	select {
	case b := <-result:
		return b.ch, b.requests, b.err
	case <-ctx.Done():
		go func() {
			if b := <-result; b.err == nil {
				_ = b.ch.Close() // it takes nothing
			}
		}()
		return nil, nil, ctx.Err()
	}
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

// answer works on one request, and leaves it to another server where it was
// abandoned, or where nothing can be said on the channel any more.
func (s *RabbitMQServer) answer(ctx context.Context, ch *amqp.Channel, d amqp.Delivery) {
	reply := s.cfg.Server.Handle(ctx, d.Body)
	if ctx.Err() != nil {
		return
	}
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
