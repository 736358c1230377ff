package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"gorm.io/gorm"

	"quadrille/pkg/bus"
)

// RelayConfig says which outbox is relayed to which stream.
type RelayConfig struct {
	DB     *gorm.DB
	Bus    bus.Bus
	Stream string
	Batch  int           // events published at a time; 1000 where 0
	Poll   time.Duration // how often to look without being woken, jittered; 1 s where 0
	Log    *slog.Logger
	At     func(point string) // called at each point of the way, for tests of crashes; nil for none
}

// Relay publishes what is in the outbox, in order, and marks it sent once the
// log has confirmed it. What it does not know to be confirmed stays unsent and
// is published again, with the same event ID: at least once, never lost.
// Each instance of a service has one; on PostgreSQL one of them works at a time.
type Relay struct {
	cfg   RelayConfig
	claim claim
	wake  chan struct{} // of size 1
	busy  sync.Mutex    // held while a batch is claimed, published and marked

	mu     sync.Mutex
	status Status
}

// Status is how the relay is doing.
type Status struct {
	Sent  int64 // since start
	Err   string
	Since time.Time // of Err
}

// NewRelay makes a relay. Run sets it going.
func NewRelay(cfg RelayConfig) (*Relay, error) {
	if cfg.DB == nil || cfg.Bus == nil || cfg.Stream == "" || cfg.Log == nil {
		return nil, errors.New("outbox relay: DB, Bus, Stream and Log are needed")
	}
	if cfg.Batch == 0 {
		cfg.Batch = 1000
	}
	if cfg.Poll == 0 {
		cfg.Poll = time.Second
	}
	if cfg.At == nil {
		cfg.At = func(string) {}
	}
	r := &Relay{cfg: cfg, wake: make(chan struct{}, 1)}
	if cfg.DB.Name() == "postgres" {
		r.claim = claimPostgres
	} else {
		r.claim = claimSQLite
	}
	return r, nil
}

// Wake tells the relay that events were committed. It never blocks.
func (r *Relay) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run relays until ctx ends; then it returns nil. While the log is away it tries
// again with growing, jittered pauses, without limit. It declares the stream
// first, so that readers find it before the first event.
func (r *Relay) Run(ctx context.Context) error {
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval, retry.MaxInterval = 50*time.Millisecond, 5*time.Second
	for declared := false; ctx.Err() == nil; {
		sent, err := r.turn(ctx, &declared)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			pause(ctx, retry.NextBackOff(), nil)
		case sent < r.cfg.Batch:
			retry.Reset()
			pause(ctx, jitter(r.cfg.Poll), r.wake)
		default:
			retry.Reset()
		}
	}
	return nil
}

// turn is RunOnce, with the stream declared before the first.
func (r *Relay) turn(ctx context.Context, declared *bool) (sent int, err error) {
	if !*declared {
		if err := r.cfg.Bus.Publish(ctx, r.cfg.Stream, nil); err != nil {
			r.note(ctx, 0, err)
			return 0, fmt.Errorf("declare %s: %w", r.cfg.Stream, err)
		}
		*declared = true
	}
	return r.RunOnce(ctx)
}

// turnWithin bounds one batch: a connection that hangs must not hold the relay up
// for ever.
const turnWithin = 20 * time.Second

// RunOnce publishes one batch and reports how many events it sent: 0 where there
// are none, or another relay is at it.
func (r *Relay) RunOnce(ctx context.Context) (sent int, err error) {
	r.busy.Lock()
	defer r.busy.Unlock()
	waiting, cancel := context.WithTimeout(ctx, turnWithin)
	sent, err = r.claim(waiting, r.cfg.DB, r.cfg.Batch, func(batch []bus.Message) error {
		r.cfg.At(AtClaimed)
		err := r.cfg.Bus.Publish(waiting, r.cfg.Stream, batch)
		if err == nil {
			r.cfg.At(AtPublished)
		}
		return err
	})
	cancel()
	r.note(ctx, sent, err)
	if err != nil {
		return 0, fmt.Errorf("relay to %s: %w", r.cfg.Stream, err)
	}
	return sent, nil
}

// note keeps the status and tells the log of a change in it, not of every try.
func (r *Relay) note(ctx context.Context, sent int, err error) {
	if ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Sent += int64(sent)
	switch {
	case err == nil && r.status.Err != "":
		r.cfg.Log.Info("relay goes on", "stream", r.cfg.Stream, "after", time.Since(r.status.Since).Round(time.Millisecond).String())
		r.status.Err, r.status.Since = "", time.Time{}
	case err != nil && r.status.Err == "":
		r.cfg.Log.Warn("relay waits; events stay in the outbox", "stream", r.cfg.Stream, "error", err)
		r.status.Since = time.Now()
	}
	if err != nil {
		r.status.Err = err.Error()
	}
}

// Status is how the relay is doing. Safe for concurrent use.
func (r *Relay) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// pause waits for d, for a wake-up, or for ctx.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-wake:
	}
}

// jitter is d, more or less a fifth, so that relays do not all ask at once.
func jitter(d time.Duration) time.Duration {
	return d - d/5 + rand.N(2*d/5+1)
}
