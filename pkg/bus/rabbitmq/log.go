// Package rabbitmq implements bus.Bus on a RabbitMQ broker. Each stream is a durable
// fanout exchange and, bound to it, a stream queue that keeps its history.
package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"quadrille/pkg/broker"

	"quadrille/pkg/bus"
)

// Config configures a log. Log is required, and URLs or both sessions.
type Config struct {
	URLs []string // amqp:// or amqps://, tried in turn
	// Publish and Read, if both are set, replace the log's own connections. The caller
	// closes them.
	Publish, Read *broker.Session

	Prefix         string        // of exchange and queue names
	MaxAge         string        // x-max-age of histories, such as "7D"; empty sets no limit
	MaxBytes       int64         // x-max-length-bytes of histories; 0 sets no limit
	SegmentBytes   int64         // x-stream-max-segment-size-bytes, the unit of retention; default MaxBytes/8, or 20 MB with MaxAge alone
	Prefetch       int           // maximum of unacknowledged deliveries per subscription; default 1,000, the fastest
	ConfirmTimeout time.Duration // for a published batch; default 15 s
	// StallTimeout limits the time for which a subscription buffers deliveries that its
	// consumer does not read; default 10 s. It must be shorter than the broker's
	// consumer_timeout.
	StallTimeout time.Duration
	Log          *slog.Logger
}

// Log is the event log on RabbitMQ. A stream "x" is the exchange "x" and the queue
// "x.history". Publishing and reading use one connection each, so that a broker that
// blocks publishers does not block consumers.
type Log struct {
	cfg     Config
	publish *broker.Session
	read    *broker.Session
	shared  bool            // the caller closes the sessions
	life    context.Context // of background work; endLife ends it
	endLife context.CancelFunc

	mu         sync.Mutex
	publishers map[string]*publisher
	subs       map[*subscription]struct{}
	ends       map[string]*endLookups
	absent     map[string]bus.Position // by stream: the last position that was found missing
	retention  map[string]string       // by stream: the difference in retention that was logged
	closed     bool
}

// New returns at once; the log connects in the background and retries without limit. An
// invalid URL is an error, whose text omits the password.
func New(cfg Config) (*Log, error) {
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
	if cfg.StallTimeout == 0 {
		cfg.StallTimeout = 10 * time.Second
	}
	life, endLife := context.WithCancel(context.Background())
	return &Log{
		cfg:        cfg,
		publish:    cfg.Publish,
		read:       cfg.Read,
		shared:     shared,
		publishers: map[string]*publisher{},
		subs:       map[*subscription]struct{}{},
		ends:       map[string]*endLookups{},
		absent:     map[string]bus.Position{},
		retention:  map[string]string{},
		life:       life,
		endLife:    endLife,
	}, nil
}

// segment returns the segment size of a stream. Retention deletes whole segments:
// with RabbitMQ's default of 500 MB a small shop would keep its history for ever, whatever
// its age.
func segment(cfg Config) int64 {
	const minSize, defaultSize, maxSize = 1 << 20, 20e6, 500e6
	switch {
	case cfg.MaxBytes > 0:
		return min(max(cfg.MaxBytes/8, minSize), maxSize)
	case cfg.MaxAge != "":
		return defaultSize
	default:
		return 0 // nothing is deleted
	}
}

// Ready waits until both connections are up, or ctx ends.
func (l *Log) Ready(ctx context.Context) error {
	return errors.Join(unavailable(l.publish.Ready(ctx)), unavailable(l.read.Ready(ctx)))
}

// State implements bus.Bus.
func (l *Log) State() error {
	if l.isClosed() {
		return bus.ErrClosed
	}
	return errors.Join(unavailable(l.publish.State()), unavailable(l.read.State()))
}

// Close implements bus.Bus.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	subs := l.subs
	l.subs = nil
	l.mu.Unlock()
	l.endLife()
	for s := range subs {
		s.end()
	}
	if !l.shared {
		l.publish.Close()
		l.read.Close()
	}
	return nil
}

func (l *Log) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// exchange and history return the names on the broker.
func (l *Log) exchange(stream string) string { return l.cfg.Prefix + stream }
func (l *Log) history(stream string) string  { return l.cfg.Prefix + stream + ".history" }

// Drop implements bus.Bus. It keeps the exchange, because other queues are bound to it.
// Publishers notice the missing history at their next publish.
func (l *Log) Drop(ctx context.Context, stream string) error {
	conn, err := l.publish.Connection()
	if err != nil {
		return unavailable(err)
	}
	err = l.withChannel(conn, func(ch *amqp.Channel) error {
		_, err := ch.QueueDelete(l.history(stream), false, false, false)
		return err
	})
	if err != nil {
		return fmt.Errorf("%w: delete %s: %w", bus.ErrUnavailable, l.history(stream), err)
	}
	p := l.publisher(stream)
	select {
	case p.turn <- struct{}{}:
		p.drop() // the next batch declares the stream anew
		<-p.turn
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// unavailable wraps an error of a connection in the matching error of package bus.
func unavailable(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, broker.ErrBlocked):
		return fmt.Errorf("%w: %w", bus.ErrBlocked, err)
	default:
		return fmt.Errorf("%w: %w", bus.ErrUnavailable, err)
	}
}
