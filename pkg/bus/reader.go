package bus

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

	"quadrille/pkg/events"
)

// ReaderConfig says who reads what, and where the position is kept.
type ReaderConfig struct {
	Bus        Bus
	DB         *gorm.DB // the subscriber's own, with the tables positions and dead_letters
	Subscriber string
	Stream     string
	Types      []string      // events of other types are passed over; nil means all
	Batch      int           // events taken at a time; 500 where 0
	Tries      int           // of an event that stands alone, before it is set aside; 5 where 0
	TryPause   time.Duration // after the first try, doubled each time; 100 ms where 0
	Check      time.Duration // how often a reader with nothing to read looks whether its position was reset; 1 s where 0
	Timeout    time.Duration // of one try of a batch, call-backs and commit; 30 s where 0
	Log        *slog.Logger
	At         func(point string) // called at each point of the way, for tests of crashes; nil for none
	NoStream   func()             // called each time the stream is found missing, to have its publisher look; nil for none
	Committed  func()             // called after each commit, to wake the relay
}

// Reader takes a subscriber through a stream: from its position on, a batch at a
// time, each batch's effect and the new position in one transaction. What fails
// for reasons of circumstance is tried again, without limit. What fails for a
// reason of its own is set aside as a dead letter; the rest goes on.
type Reader struct {
	cfg    ReaderConfig
	handle func(ctx context.Context, batch []events.Event, commit commit) error
	list   func(ctx context.Context) iter.Seq2[events.Event, error] // nil where the handler is no Lister

	sub     Subscription // nil when not subscribed; the running goroutine's alone
	at      place        // likewise: where sub is
	suspect suspect      // likewise

	mu     sync.Mutex
	status Status
	health Health
}

// commit carries out an effect in the transaction that also moves the position,
// or closes the dead letter.
type commit func(apply func(Tx) error) error

// NewReader makes a reader that hands what it reads to h. Run sets it going.
func NewReader[F any](cfg ReaderConfig, h Handler[F]) (*Reader, error) {
	if cfg.Bus == nil || cfg.DB == nil || cfg.Subscriber == "" || cfg.Stream == "" || cfg.Log == nil {
		return nil, errors.New("reader: Bus, DB, Subscriber, Stream and Log are needed")
	}
	cfg.fill()
	r := &Reader{cfg: cfg, status: Status{
		Subscriber: cfg.Subscriber, Stream: cfg.Stream, State: StateStarting, Since: time.Now(),
	}}
	if l, ok := h.(Lister); ok {
		r.list = l.List
	}
	r.handle = func(ctx context.Context, batch []events.Event, commit commit) error {
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
	return r, nil
}

func (c *ReaderConfig) fill() {
	if c.Batch == 0 {
		c.Batch = 500
	}
	if c.Tries == 0 {
		c.Tries = 5
	}
	if c.TryPause == 0 {
		c.TryPause = 100 * time.Millisecond
	}
	if c.Check == 0 {
		c.Check = time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.At == nil {
		c.At = func(string) {}
	}
	if c.NoStream == nil {
		c.NoStream = func() {}
	}
	if c.Committed == nil {
		c.Committed = func() {}
	}
	c.Log = c.Log.With("stream", c.Stream)
}

// Stream returns the stream that is read.
func (r *Reader) Stream() string { return r.cfg.Stream }

// fencedPause is how long a reader leaves the stream to the instance that was
// faster, instead of racing it for every batch.
const fencedPause = time.Second

// Run reads until ctx ends; then it returns nil. It may run again later.
func (r *Reader) Run(ctx context.Context) error {
	defer r.unsubscribe()
	defer r.rests()
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 50*time.Millisecond, 5*time.Second
	for ctx.Err() == nil {
		err := r.RunOnce(ctx)
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
	case errors.Is(err, errMoved), errors.Is(err, errLetGo):
		return 0
	case errors.Is(err, errFenced):
		return fencedPause
	case errors.Is(err, ErrNoStream):
		return min(next, 500*time.Millisecond)
	default:
		return next
	}
}

// sleep waits for d or for ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// RunOnce takes one batch: it waits for events, has them handled, and moves the
// position. After an error it stands where the last commit left it.
func (r *Reader) RunOnce(ctx context.Context) error {
	err := r.step(ctx)
	if errors.Is(err, ErrHistoryChanged) {
		r.note(ctx, err)
		err = r.resync(ctx)
	}
	if err != nil {
		r.unsubscribe() // the next try reads from the position that is committed
	}
	r.note(ctx, err)
	if err == nil {
		r.rests()
	}
	return err
}

func (r *Reader) step(ctx context.Context) error {
	if err := r.subscribe(ctx); err != nil {
		return err
	}
	deliveries, err := r.next(ctx)
	if err != nil {
		return err
	}
	r.took(len(deliveries))
	return r.take(ctx, deliveries)
}

// lookWithin is how long the database may take to say where the position is.
const lookWithin = 5 * time.Second

// next waits for events. While there are none it looks now and then whether the
// position was reset, which an idle reader would not notice otherwise.
func (r *Reader) next(ctx context.Context) ([]Delivery, error) {
	for {
		waiting, cancel := context.WithTimeout(ctx, r.cfg.Check)
		deliveries, err := r.sub.Next(waiting, r.cfg.Batch)
		cancel()
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return deliveries, err
		}
		if err := r.stillHere(ctx); err != nil {
			return nil, err
		}
		r.rests()
	}
}

// stillHere is errMoved where the position is not the one that is read from.
func (r *Reader) stillHere(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	now, err := loadPlace(ctx, r.cfg.DB, r.cfg.Subscriber, r.cfg.Stream)
	if err == nil && now != r.at {
		err = errMoved
	}
	return err
}

func (r *Reader) subscribe(ctx context.Context) (err error) {
	if r.sub != nil {
		return nil
	}
	loading, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	if r.at, err = loadPlace(loading, r.cfg.DB, r.cfg.Subscriber, r.cfg.Stream); err != nil {
		return err
	}
	r.sub, err = r.cfg.Bus.Subscribe(ctx, r.cfg.Stream, r.at.at)
	if errors.Is(err, ErrNoStream) {
		r.cfg.NoStream()
	}
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	r.note(ctx, nil)
	return nil
}

func (r *Reader) unsubscribe() {
	if r.sub != nil {
		_ = r.sub.Close() // it is dropped either way
		r.sub = nil
	}
}
