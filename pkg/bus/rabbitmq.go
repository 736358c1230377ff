package bus

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

	amqp "github.com/rabbitmq/amqp091-go"
)

// RabbitMQConfig says where the brokers are and how history is kept.
type RabbitMQConfig struct {
	URLs           []string      // amqp:// or amqps://, tried in turn
	Prefix         string        // before exchange and queue names
	MaxAge         string        // x-max-age of history, such as "7D"; empty keeps it for ever
	MaxBytes       int64         // x-max-length-bytes of history; 0 sets no limit
	SegmentBytes   int64         // x-stream-max-segment-size-bytes; 0 leaves it to the broker
	ConfirmTimeout time.Duration // for a published batch; 30 s where 0
	Log            *slog.Logger
}

// RabbitMQ is the log on a RabbitMQ broker: for each stream a durable fanout
// exchange of its name and, bound to it, the stream queue "name.history".
// Publishing and reading have a connection each, so that a broker that holds up
// publishers does not hold up readers.
type RabbitMQ struct {
	cfg     RabbitMQConfig
	publish *session
	read    *session

	mu         sync.Mutex
	publishers map[string]*publisher
	subs       map[*rabbitSubscription]struct{}
	ends       map[string]*endProbe
	closed     bool
}

// NewRabbitMQ makes the log and returns at once; it connects in the background
// and keeps trying for ever. Only a URL that is none is an error, told without
// its password.
func NewRabbitMQ(cfg RabbitMQConfig) (*RabbitMQ, error) {
	if len(cfg.URLs) == 0 || cfg.Log == nil {
		return nil, errors.New("RabbitMQ: URLs and Log are needed")
	}
	for i, u := range cfg.URLs {
		if _, err := amqp.ParseURI(u); err != nil {
			return nil, fmt.Errorf("URL %d of %d is no AMQP URL (amqp://user:password@host:port/vhost)", i+1, len(cfg.URLs))
		}
	}
	if cfg.ConfirmTimeout == 0 {
		cfg.ConfirmTimeout = 30 * time.Second
	}
	return &RabbitMQ{
		cfg:        cfg,
		publish:    newSession("publish", cfg.URLs, cfg.Log),
		read:       newSession("read", cfg.URLs, cfg.Log),
		publishers: map[string]*publisher{},
		subs:       map[*rabbitSubscription]struct{}{},
		ends:       map[string]*endProbe{},
	}, nil
}

// Ready waits until both connections are up, or ctx ends.
func (b *RabbitMQ) Ready(ctx context.Context) error {
	return errors.Join(b.publish.ready(ctx), b.read.ready(ctx))
}

// State is Bus's.
func (b *RabbitMQ) State() error {
	if b.isClosed() {
		return ErrClosed
	}
	return errors.Join(b.publish.state(), b.read.state())
}

// Close is Bus's.
func (b *RabbitMQ) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	subs := b.subs
	b.subs = nil
	b.mu.Unlock()
	for s := range subs {
		s.end()
	}
	b.publish.close()
	b.read.close()
	return nil
}

func (b *RabbitMQ) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

func (b *RabbitMQ) exchange(stream string) string { return b.cfg.Prefix + stream }
func (b *RabbitMQ) history(stream string) string  { return b.cfg.Prefix + stream + ".history" }

// declare makes sure that the exchange, its history and the binding are there.
func (b *RabbitMQ) declare(ch *amqp.Channel, stream string) error {
	args := amqp.Table{"x-queue-type": "stream"}
	if b.cfg.MaxAge != "" {
		args["x-max-age"] = b.cfg.MaxAge
	}
	if b.cfg.MaxBytes > 0 {
		args["x-max-length-bytes"] = b.cfg.MaxBytes
	}
	if b.cfg.SegmentBytes > 0 {
		args["x-stream-max-segment-size-bytes"] = b.cfg.SegmentBytes
	}
	if err := ch.ExchangeDeclare(b.exchange(stream), amqp.ExchangeFanout, true, false, false, false, nil); err != nil {
		return explainDeclare("exchange "+b.exchange(stream), err)
	}
	if _, err := ch.QueueDeclare(b.history(stream), true, false, false, false, args); err != nil {
		return explainDeclare("queue "+b.history(stream), err)
	}
	if err := ch.QueueBind(b.history(stream), "", b.exchange(stream), false, nil); err != nil {
		return fmt.Errorf("%w: bind %s: %w", ErrUnavailable, b.history(stream), err)
	}
	return nil
}

// explainDeclare says what to do where the broker has the thing in another form.
func explainDeclare(what string, err error) error {
	var refused *amqp.Error
	if errors.As(err, &refused) && refused.Code == amqp.PreconditionFailed {
		return fmt.Errorf("%w: %s exists with other arguments; set HISTORY_MAX_AGE and HISTORY_MAX_BYTES as they were, "+
			"or change them by a policy on the broker: %w", ErrUnavailable, what, err)
	}
	return fmt.Errorf("%w: declare %s: %w", ErrUnavailable, what, err)
}

// hostOf is the part of a URL that may be shown.
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
