package consumer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"gorm.io/gorm"

	"quadrille/pkg/bus"
	"quadrille/pkg/deadletter"
)

// Config configures a consumer. Bus, DB, Subscriber, Stream and Log are required.
type Config struct {
	Bus         bus.Bus
	DB          *gorm.DB // the consumer's own database, with the tables positions and dead_letters
	Subscriber  string   // name of the consumer; key of its positions and dead letters
	Stream      string
	Types       []string      // the event types to handle, others are skipped; nil means all
	Batch       int           // maximum of events per transaction; default 500
	MaxAttempts int           // at one event before its letter waits for a person; default 5
	RetryPause  time.Duration // before the second attempt at an event, doubled for each further one; default 1 s
	MaxSequence int           // maximum of unclosed letters of one subject, if it is handled in order; default 1,000
	FromStart   bool          // handle events from before the first start, too; a converging consumer always does
	IdleCheck   time.Duration // how often an idle consumer checks whether its position was reset, and for due letters; default 1 s
	Timeout     time.Duration // of one attempt at a batch, call-backs and commit included; default 30 s
	// CompareGrace is the time after which a difference found by Compare is not an event under
	// way; default 3 s.
	CompareGrace time.Duration
	Log          *slog.Logger
	Hook         func(point string) // called at each Point, for tests that crash there; nil for none
	OnNoStream   func()             // called each time the stream does not exist, so that its publisher can check; nil for none
	OnCommit     func()             // called after each commit, to wake the relay; nil for none
}

// Consumer reads a stream from its position, a batch at a time, and commits each batch's
// effect and the new position in one transaction. It retries transient failures without
// limit. An event that fails for its own sake is set aside as a letter (package deadletter)
// at once, and the rest proceeds. The consumer retries the letter beside reading, up to
// MaxAttempts in all.
type Consumer struct {
	cfg       Config
	kind      string
	fetch     fetch                                                                  // nil for Effects
	list      list                                                                   // nil unless the handler is a Lister
	versions  func(ctx context.Context, subjects []string) (map[string]int64, error) // nil unless the handler is a Versioner
	act       Act                                                                    // only for Effects, like guarantee
	guarantee Guarantee

	// Only the goroutine in RunOnce uses these.
	sub     bus.Subscription // nil if not subscribed
	at      checkpoint       // the last commit
	stuck   stuck
	doubles doubles // only of a consumer in order
	narrow  int     // number of deliveries to try first, because a search among more was interrupted; 0 for all

	due     chan struct{} // wakes the retries
	changes atomic.Int64  // number of retries that changed a letter
	adopted time.Time     // the last search for letters that nobody would retry; only for RetryDue

	mu     sync.Mutex
	status Status
	health Health
}

func newConsumer(cfg Config, kind string) (*Consumer, error) {
	if cfg.Bus == nil || cfg.DB == nil || cfg.Subscriber == "" || cfg.Stream == "" || cfg.Log == nil {
		return nil, errors.New("consumer: Bus, DB, Subscriber, Stream and Log are required")
	}
	cfg.fill()
	return &Consumer{cfg: cfg, kind: kind, due: make(chan struct{}, 1), status: Status{
		Subscriber: cfg.Subscriber, Stream: cfg.Stream, Kind: kind, State: StateStarting, Since: time.Now(),
	}}, nil
}

// fill sets the defaults.
func (c *Config) fill() {
	c.Batch = cmp.Or(c.Batch, 500)
	c.MaxAttempts = cmp.Or(c.MaxAttempts, 5)
	c.RetryPause = cmp.Or(c.RetryPause, time.Second)
	c.MaxSequence = cmp.Or(c.MaxSequence, 1000)
	c.IdleCheck = cmp.Or(c.IdleCheck, time.Second)
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	c.CompareGrace = cmp.Or(c.CompareGrace, compareGrace)
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

// letters names the consumer's letters.
func (c *Consumer) letters() deadletter.Of {
	return deadletter.Of{Subscriber: c.cfg.Subscriber, Stream: c.cfg.Stream}
}

// Stream returns the name of the stream.
func (c *Consumer) Stream() string { return c.cfg.Stream }

// fencedPause is the pause after another instance was faster, so that the two do not race
// for every batch.
const fencedPause = time.Second

// Run consumes, and retries letters, until ctx ends; then it returns nil. It may be called
// again.
func (c *Consumer) Run(ctx context.Context) error {
	var retries sync.WaitGroup
	defer retries.Wait()
	retries.Go(func() { c.runRetries(ctx) })
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
	now, err := c.load(ctx)
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
	if c.at, err = c.load(loading); err != nil {
		return err
	}
	if err = c.stuck.load(loading, c); err != nil {
		return err
	}
	c.sub, err = c.cfg.Bus.Subscribe(ctx, c.cfg.Stream, c.at.at)
	if errors.Is(err, bus.ErrNoStream) {
		c.cfg.OnNoStream()
	}
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if c.ordered() {
		if err = c.doubles.warm(loading, c.cfg.Bus, c.cfg.Stream, c.at.at); err != nil {
			c.unsubscribe()
			return err
		}
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
