package bus

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

// RabbitMQConfig says where the brokers are and how history is kept.
type RabbitMQConfig struct {
	URLs []string // amqp:// or amqps://, tried in turn
	// Publish and Read, where both are given, are used instead of connections of the
	// log's own. They stay the caller's to close.
	Publish, Read *broker.Session

	Prefix         string        // before exchange and queue names
	MaxAge         string        // x-max-age of history, such as "7D"; empty keeps it for ever
	MaxBytes       int64         // x-max-length-bytes of history; 0 sets no limit
	SegmentBytes   int64         // x-stream-max-segment-size-bytes, the grain of retention; where 0 an eighth of MaxBytes, else 20 MB
	Prefetch       int           // deliveries to one reader that it has not acknowledged, at the most; 1,000 where 0, which reads fastest
	ConfirmTimeout time.Duration // for a published batch; 15 s where 0
	// LetGo is how long a subscription keeps deliveries for a reader that takes none; 10 s
	// where 0. It must be shorter than the broker's consumer_timeout.
	LetGo time.Duration
	Log   *slog.Logger
}

// RabbitMQ is the log on a RabbitMQ broker: for each stream a durable fanout
// exchange of its name and, bound to it, the stream queue "name.history".
// Publishing and reading have a connection each, so that a broker that holds up
// publishers does not hold up readers.
type RabbitMQ struct {
	cfg     RabbitMQConfig
	publish *broker.Session
	read    *broker.Session
	shared  bool            // the sessions are somebody else's to close
	life    context.Context // of work that no caller owns; endLife ends it
	endLife context.CancelFunc

	mu         sync.Mutex
	publishers map[string]*publisher
	subs       map[*rabbitSubscription]struct{}
	ends       map[string]*endLooks
	lacking    map[string]Position // by stream: the position that was found missing last
	retention  map[string]string   // by stream: the difference in retention that was logged
	closed     bool
}

// NewRabbitMQ makes the log and returns at once; it connects in the background
// and keeps trying for ever. Only a URL that is none is an error, told without
// its password.
func NewRabbitMQ(cfg RabbitMQConfig) (*RabbitMQ, error) {
	shared := cfg.Publish != nil && cfg.Read != nil
	if !shared && len(cfg.URLs) == 0 || cfg.Log == nil {
		return nil, errors.New("RabbitMQ: URLs, or both sessions, and Log are needed")
	}
	if !shared {
		if err := broker.Check(cfg.URLs); err != nil {
			return nil, err
		}
		cfg.Publish, cfg.Read = broker.New("publish", cfg.URLs, cfg.Log), broker.New("read", cfg.URLs, cfg.Log)
	}
	if cfg.SegmentBytes == 0 {
		cfg.SegmentBytes = segment(cfg)
	}
	if cfg.Prefetch == 0 {
		cfg.Prefetch = 1000
	}
	if cfg.ConfirmTimeout == 0 {
		cfg.ConfirmTimeout = 15 * time.Second
	}
	if cfg.LetGo == 0 {
		cfg.LetGo = 10 * time.Second
	}
	life, endLife := context.WithCancel(context.Background())
	return &RabbitMQ{
		cfg:        cfg,
		publish:    cfg.Publish,
		read:       cfg.Read,
		shared:     shared,
		publishers: map[string]*publisher{},
		subs:       map[*rabbitSubscription]struct{}{},
		ends:       map[string]*endLooks{},
		lacking:    map[string]Position{},
		retention:  map[string]string{},
		life:       life,
		endLife:    endLife,
	}, nil
}

// segment returns the size of a stream's segments, which are kept or deleted as a whole.
// RabbitMQ's default of 500 MB would keep a small shop's history for ever, whatever its
// age.
func segment(cfg RabbitMQConfig) int64 {
	const least, usual, most = 1 << 20, 20e6, 500e6
	switch {
	case cfg.MaxBytes > 0:
		return min(max(cfg.MaxBytes/8, least), most)
	case cfg.MaxAge != "":
		return usual
	default:
		return 0 // nothing is forgotten
	}
}

// Ready waits until both connections are up, or ctx ends.
func (b *RabbitMQ) Ready(ctx context.Context) error {
	return errors.Join(away(b.publish.Ready(ctx)), away(b.read.Ready(ctx)))
}

// State is Bus's.
func (b *RabbitMQ) State() error {
	if b.isClosed() {
		return ErrClosed
	}
	return errors.Join(away(b.publish.State()), away(b.read.State()))
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
	b.endLife()
	for s := range subs {
		s.end()
	}
	if !b.shared {
		b.publish.Close()
		b.read.Close()
	}
	return nil
}

func (b *RabbitMQ) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

func (b *RabbitMQ) exchange(stream string) string { return b.cfg.Prefix + stream }
func (b *RabbitMQ) history(stream string) string  { return b.cfg.Prefix + stream + ".history" }

// Drop is Bus's. The exchange stays, since others have bound their queues to it;
// publishers find that the history is gone at their next publish.
func (b *RabbitMQ) Drop(ctx context.Context, stream string) error {
	conn, err := b.publish.Connection()
	if err != nil {
		return away(err)
	}
	err = b.onChannel(conn, func(ch *amqp.Channel) error {
		_, err := ch.QueueDelete(b.history(stream), false, false, false)
		return err
	})
	if err != nil {
		return fmt.Errorf("%w: delete %s: %w", ErrUnavailable, b.history(stream), err)
	}
	p := b.publisher(stream)
	select {
	case p.turn <- struct{}{}:
		p.drop() // the next batch declares the stream anew
		<-p.turn
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// away says in the log's own terms what is wrong with a connection.
func away(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, broker.ErrBlocked):
		return fmt.Errorf("%w: %w", ErrBlocked, err)
	default:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
}
