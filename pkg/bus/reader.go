package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"gorm.io/gorm"

	"quadrille/pkg/events"
)

// ReaderConfig says who reads what, and where the position is kept.
type ReaderConfig struct {
	Bus        Bus
	DB         *gorm.DB // the subscriber's own, with a positions table
	Subscriber string
	Stream     string
	Types      []string // events of other types are passed over; nil means all
	Batch      int      // events taken at a time; 500 where 0
	Log        *slog.Logger
	Committed  func() // called after each commit, to wake the relay
}

// The states of a reader.
const (
	StateStarting       = "starting"
	StateWaiting        = "waiting" // for the stream to be declared
	StateReading        = "reading"
	StateFailing        = "failing" // waits and tries the same events again
	StateHistoryChanged = "history_changed"
)

// Status is how far a reader is and how it is doing.
type Status struct {
	Subscriber string
	Stream     string
	Position   Position
	End        Position // of the stream's last event, as far as it can be told
	Lag        int64    // offsets between Position and End
	State      string
	Err        string
	Since      time.Time // of State
}

// Reader takes a subscriber through a stream: from its position on, a batch at a
// time, each batch's effect and the new position in one transaction. What fails
// is tried again, without limit; nothing is skipped.
type Reader struct {
	cfg    ReaderConfig
	handle func(ctx context.Context, batch []events.Event, commit func(apply func(Tx) error) error) error

	sub Subscription // nil when not subscribed; the running goroutine's alone
	at  Position     // likewise: where sub is

	mu     sync.Mutex
	status Status
}

// NewReader makes a reader that hands what it reads to h. Run sets it going.
func NewReader[F any](cfg ReaderConfig, h Handler[F]) (*Reader, error) {
	if cfg.Bus == nil || cfg.DB == nil || cfg.Subscriber == "" || cfg.Stream == "" || cfg.Log == nil {
		return nil, errors.New("reader: Bus, DB, Subscriber, Stream and Log are needed")
	}
	if cfg.Batch == 0 {
		cfg.Batch = 500
	}
	if cfg.Committed == nil {
		cfg.Committed = func() {}
	}
	cfg.Log = cfg.Log.With("stream", cfg.Stream)
	r := &Reader{cfg: cfg, status: Status{
		Subscriber: cfg.Subscriber, Stream: cfg.Stream, State: StateStarting, Since: time.Now(),
	}}
	r.handle = func(ctx context.Context, batch []events.Event, commit func(func(Tx) error) error) error {
		fetched, err := h.Fetch(ctx, batch)
		if err != nil {
			return fmt.Errorf("fetch: %w", err)
		}
		return commit(func(tx Tx) error { return h.Apply(ctx, tx, batch, fetched) })
	}
	return r, nil
}

// fencedPause is how long a reader leaves the stream to the instance that was
// faster, instead of racing it for every batch.
const fencedPause = time.Second

// Run reads until ctx ends; then it returns nil.
func (r *Reader) Run(ctx context.Context) error {
	defer r.unsubscribe()
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 50*time.Millisecond, 5*time.Second
	for ctx.Err() == nil {
		err := r.RunOnce(ctx)
		if err == nil {
			pause.Reset()
			continue
		}
		delay := pause.NextBackOff()
		switch {
		case errors.Is(err, ErrNoStream):
			delay = min(delay, 500*time.Millisecond)
		case errors.Is(err, errFenced):
			delay = fencedPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
	}
	return nil
}

// RunOnce takes one batch: it waits for events, has them handled, and moves the
// position. After an error it stands where it stood before.
func (r *Reader) RunOnce(ctx context.Context) error {
	err := r.step(ctx)
	if err != nil {
		r.unsubscribe() // the next try reads from the position that is committed
	}
	r.note(ctx, err)
	return err
}

func (r *Reader) step(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("handler panicked: %v\n%s", p, debug.Stack())
		}
	}()
	if err := r.subscribe(ctx); err != nil {
		return err
	}
	deliveries, err := r.sub.Next(ctx, r.cfg.Batch)
	if err != nil {
		return err
	}
	batch, err := r.decode(deliveries)
	if err != nil {
		return err
	}
	last := deliveries[len(deliveries)-1]
	to := Position{Offset: last.Offset, ID: last.ID}
	commit := func(apply func(Tx) error) error { return r.commit(ctx, to, apply) }
	if len(batch) == 0 {
		err = commit(func(Tx) error { return nil })
	} else {
		err = r.handle(ctx, batch, commit)
	}
	if err != nil {
		return err
	}
	r.at = to
	r.cfg.Committed()
	return nil
}

// commit moves the position and applies the effect, together. The position goes
// first: it is what a second instance collides with, before it writes anything.
func (r *Reader) commit(ctx context.Context, to Position, apply func(Tx) error) error {
	err := r.cfg.DB.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if err := movePosition(tx, r.cfg.Subscriber, r.cfg.Stream, r.at, to); err != nil {
			return err
		}
		if err := apply(tx); err != nil {
			return fmt.Errorf("apply: %w", err)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errFenced) {
		return fmt.Errorf("commit batch: %w", err)
	}
	return err
}

// decode keeps the events of the types that the subscriber listens to.
func (r *Reader) decode(deliveries []Delivery) ([]events.Event, error) {
	batch := make([]events.Event, 0, len(deliveries))
	for _, d := range deliveries {
		e, err := events.Decode(d.Body)
		if err != nil {
			return nil, fmt.Errorf("event at offset %d: %w", d.Offset, err)
		}
		if r.cfg.Types == nil || slices.Contains(r.cfg.Types, e.Type) {
			batch = append(batch, e)
		}
	}
	return batch, nil
}

func (r *Reader) subscribe(ctx context.Context) (err error) {
	if r.sub != nil {
		return nil
	}
	if r.at, err = loadPosition(ctx, r.cfg.DB, r.cfg.Subscriber, r.cfg.Stream); err != nil {
		return err
	}
	r.sub, err = r.cfg.Bus.Subscribe(ctx, r.cfg.Stream, r.at)
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
