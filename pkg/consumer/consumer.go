package consumer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"gorm.io/gorm"

	"quadrille/pkg/bus"
	"quadrille/pkg/events"
)

// Config configures a consumer. Bus, DB, Subscriber, Stream and Log are required.
type Config struct {
	Bus         bus.Bus
	DB          *gorm.DB // the consumer's own database, with the tables positions and dead_letters
	Subscriber  string   // name of the consumer; key of its positions and dead letters
	Stream      string
	Types       []string      // the event types to handle, others are skipped; nil means all
	Batch       int           // maximum of events per transaction; default 500
	MaxAttempts int           // of one event before it becomes a dead letter; default 5
	RetryPause  time.Duration // after the first attempt, doubled after each further one; default 100 ms
	IdleCheck   time.Duration // how often an idle consumer checks whether its position was reset; default 1 s
	Timeout     time.Duration // of one attempt at a batch, call-backs and commit included; default 30 s
	Log         *slog.Logger
	Hook        func(point string) // called at each Point, for tests that crash there; nil for none
	OnNoStream  func()             // called each time the stream does not exist, so that its publisher can check; nil for none
	OnCommit    func()             // called after each commit, to wake the relay; nil for none
}

// Consumer reads a stream from its position, a batch at a time, and commits each batch's
// effect and the new position in one transaction. It retries transient failures without
// limit. An event that fails for its own sake becomes a dead letter after MaxAttempts, and
// the rest proceeds.
type Consumer struct {
	cfg    Config
	handle func(ctx context.Context, batch []events.Event, commit commit) error
	list   func(ctx context.Context) iter.Seq2[events.Event, error] // nil unless the handler is a Lister

	// Only the goroutine in RunOnce uses these.
	sub     bus.Subscription // nil if not subscribed
	at      checkpoint       // the last commit
	failing failing

	mu     sync.Mutex
	status Status
	health Health
}

// commit runs apply in a transaction that also moves the position or closes a dead letter.
type commit func(apply func(Tx) error) error

// New returns a consumer that passes batches to h. Run starts it.
func New[F any](cfg Config, h Handler[F]) (*Consumer, error) {
	if cfg.Bus == nil || cfg.DB == nil || cfg.Subscriber == "" || cfg.Stream == "" || cfg.Log == nil {
		return nil, errors.New("consumer: Bus, DB, Subscriber, Stream and Log are required")
	}
	cfg.fill()
	c := &Consumer{cfg: cfg, status: Status{
		Subscriber: cfg.Subscriber, Stream: cfg.Stream, State: StateStarting, Since: time.Now(),
	}}
	if l, ok := h.(Lister); ok {
		c.list = l.List
	}
	c.handle = func(ctx context.Context, batch []events.Event, commit commit) error {
		fetched, err := h.Fetch(ctx, batch)
		if err != nil {
			return fmt.Errorf("fetch: %w", err)
		}
		return commit(func(tx Tx) error {
			if err := h.Apply(ctx, tx, batch, fetched); err != nil {
				return fmt.Errorf("apply: %w", err)
			}
			return nil
		})
	}
	return c, nil
}

// fill sets the defaults.
func (c *Config) fill() {
	if c.Batch == 0 {
		c.Batch = 500
	}
	if c.MaxAttempts == 0 {
		c.MaxAttempts = 5
	}
	if c.RetryPause == 0 {
		c.RetryPause = 100 * time.Millisecond
	}
	if c.IdleCheck == 0 {
		c.IdleCheck = time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Hook == nil {
		c.Hook = func(string) {}
	}
	if c.OnNoStream == nil {
		c.OnNoStream = func() {}
	}
	if c.OnCommit == nil {
		c.OnCommit = func() {}
	}
	c.Log = c.Log.With("stream", c.Stream)
}

// Stream returns the name of the stream.
func (c *Consumer) Stream() string { return c.cfg.Stream }

// fencedPause is the pause after another instance was faster, so that the two do not race
// for every batch.
const fencedPause = time.Second

// Run consumes until ctx ends, then returns nil. It may be called again.
func (c *Consumer) Run(ctx context.Context) error {
	defer c.unsubscribe()
	defer c.recordIdle()
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 50*time.Millisecond, 5*time.Second
	for ctx.Err() == nil {
		err := c.RunOnce(ctx)
		if err == nil {
			pause.Reset()
			continue
		}
		sleep(ctx, delay(err, pause))
	}
	return nil
}

// delay returns the pause after a failure.
func delay(err error, pause *backoff.ExponentialBackOff) time.Duration {
	next := pause.NextBackOff()
	switch {
	case errors.Is(err, errMoved), errors.Is(err, bus.ErrStalled):
		return 0
	case errors.Is(err, errFenced):
		return fencedPause
	case errors.Is(err, bus.ErrNoStream):
		return min(next, 500*time.Millisecond)
	default:
		return next
	}
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// RunOnce waits for events, handles one batch of them and moves the position. After an
// error the position is that of the last commit.
func (c *Consumer) RunOnce(ctx context.Context) error {
	err := c.step(ctx)
	if errors.Is(err, bus.ErrHistoryChanged) {
		c.record(ctx, err)
		err = c.resync(ctx)
	}
	if err != nil {
		c.unsubscribe() // the next step subscribes at the committed position
	}
	c.record(ctx, err)
	if err == nil {
		c.recordIdle()
	}
	return err
}

func (c *Consumer) step(ctx context.Context) error {
	if err := c.subscribe(ctx); err != nil {
		return err
	}
	deliveries, err := c.next(ctx)
	if err != nil {
		return err
	}
	c.recordRead(len(deliveries))
	return c.process(ctx, deliveries)
}

// positionTimeout limits a query for the position.
const positionTimeout = 5 * time.Second

// next waits for events. Every IdleCheck without any it checks whether the position was
// reset, which an idle consumer would not notice otherwise.
func (c *Consumer) next(ctx context.Context) ([]bus.Delivery, error) {
	for {
		waiting, cancel := context.WithTimeout(ctx, c.cfg.IdleCheck)
		deliveries, err := c.sub.Next(waiting, c.cfg.Batch)
		cancel()
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return deliveries, err
		}
		if err := c.checkPosition(ctx); err != nil {
			return nil, err
		}
		c.recordIdle()
	}
}

// checkPosition returns errMoved if the position in the database is not that of the
// subscription.
func (c *Consumer) checkPosition(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, positionTimeout)
	defer cancel()
	now, err := loadCheckpoint(ctx, c.cfg.DB, c.cfg.Subscriber, c.cfg.Stream)
	if err == nil && now != c.at {
		err = errMoved
	}
	return err
}

func (c *Consumer) subscribe(ctx context.Context) (err error) {
	if c.sub != nil {
		return nil
	}
	loading, cancel := context.WithTimeout(ctx, positionTimeout)
	defer cancel()
	if c.at, err = loadCheckpoint(loading, c.cfg.DB, c.cfg.Subscriber, c.cfg.Stream); err != nil {
		return err
	}
	c.sub, err = c.cfg.Bus.Subscribe(ctx, c.cfg.Stream, c.at.at)
	if errors.Is(err, bus.ErrNoStream) {
		c.cfg.OnNoStream()
	}
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	c.record(ctx, nil)
	return nil
}

func (c *Consumer) unsubscribe() {
	if c.sub != nil {
		_ = c.sub.Close() // it is discarded either way
		c.sub = nil
	}
}
