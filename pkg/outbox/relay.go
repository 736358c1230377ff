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
	Verify time.Duration // how often to verify that the history holds what was sent; 10 s where 0
	Log    *slog.Logger
	At     func(point string) // called at each point of the way, for tests of crashes; nil for none
}

// Relay publishes what is in the outbox, in order, and marks it sent once the
// log has confirmed it. What it does not know to be confirmed stays unsent and
// is published again, with the same event ID: at least once, never lost.
// An event that the log refuses for its own sake is set aside, and later events proceed.
// Each instance of a service has one; on PostgreSQL one of them works at a time.
type Relay struct {
	cfg   RelayConfig
	queue queue
	wake  chan struct{} // of size 1
	busy  sync.Mutex    // held while a batch is claimed, published and marked
	aim   aim           // guarded by busy

	seen verification

	mu      sync.Mutex
	status  Status
	suspect bool  // verify before the next batch
	problem error // what History returns
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
	if cfg.Verify == 0 {
		cfg.Verify = 10 * time.Second
	}
	if cfg.At == nil {
		cfg.At = func(string) {}
	}
	return &Relay{cfg: cfg, queue: newQueue(cfg.DB), wake: make(chan struct{}, 1), aim: aim{window: cfg.Batch, most: cfg.Batch}}, nil
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
// first, so that readers find it before the first event, and verifies the history now
// and then.
func (r *Relay) Run(ctx context.Context) error {
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval, retry.MaxInterval = 50*time.Millisecond, 5*time.Second
	for drained := true; ctx.Err() == nil; {
		more, err := r.turn(ctx, drained)
		drained = !more
		switch {
		case ctx.Err() != nil:
		case err != nil:
			pause(ctx, retry.NextBackOff(), nil)
		case !more:
			retry.Reset()
			pause(ctx, jitter(r.cfg.Poll), r.wake)
		default:
			retry.Reset()
		}
	}
	return nil
}

// turn relays one batch. It verifies the history before, when it is time for that, and
// before the first batch. drained is whether the last batch emptied the outbox; more
// means that further events may wait.
func (r *Relay) turn(ctx context.Context, drained bool) (more bool, err error) {
	if r.verifyNow(drained) {
		mine, err := r.Verify(ctx)
		if err != nil {
			r.note(ctx, 0, err)
			return false, err
		}
		if !mine {
			return false, nil // another instance publishes
		}
	}
	_, more, err = r.relay(ctx)
	switch {
	case err != nil:
		r.Suspect()
	case !more:
		r.restored()
	}
	return more, err
}

// turnWithin bounds one batch: a connection that hangs must not hold the relay up
// for ever.
const turnWithin = 20 * time.Second

// RunOnce publishes one batch and returns how many events it sent: 0 where none wait,
// or another relay is at work. Events that the log refuses are set aside on the way.
func (r *Relay) RunOnce(ctx context.Context) (sent int, err error) {
	sent, _, err = r.relay(ctx)
	return sent, err
}

// relay claims until a batch is sent, nothing is left, or the log is unavailable.
func (r *Relay) relay(ctx context.Context) (sent int, more bool, err error) {
	r.busy.Lock()
	defer r.busy.Unlock()
	for {
		var refused bool
		sent, more, refused, err = r.claim(ctx)
		if !refused {
			break
		}
	}
	r.note(ctx, sent, err)
	if err != nil {
		return 0, false, fmt.Errorf("relay to %s: %w", r.cfg.Stream, err)
	}
	return sent, more, nil
}

// claim takes one batch of the present size. refused means that the log refused it,
// and that the next claim is another one: of fewer events, or past the one refused.
func (r *Relay) claim(ctx context.Context) (sent int, more, refused bool, err error) {
	waiting, cancel := context.WithTimeout(ctx, turnWithin)
	defer cancel()
	var batch []due
	sent, more, err = r.queue.claim(waiting, r.aim.window, func(claimed []due) error {
		batch = claimed
		r.cfg.At(AtClaimed)
		if err := r.publish(waiting, claimed); err != nil {
			return err
		}
		r.cfg.At(AtPublished)
		return nil
	})
	if errors.Is(err, bus.ErrRefused) && ctx.Err() == nil {
		return 0, false, true, r.refuse(ctx, batch, err)
	}
	if err == nil && sent > 0 {
		r.aim.hit()
	}
	return sent, more, false, err
}

func (r *Relay) publish(ctx context.Context, batch []due) error {
	news := messages(batch)
	if len(news) == 0 {
		return nil
	}
	return r.cfg.Bus.Publish(ctx, r.cfg.Stream, news)
}

// Waiting counts the events that are not sent yet, up to 1,000,000, and finds the
// oldest. It costs the same whatever was sent before.
func (r *Relay) Waiting(ctx context.Context) (Waiting, error) { return r.queue.depth(ctx, maxCounted) }

// oldestWithin is how many rows Oldest looks at.
const oldestWithin = 1000

// Oldest returns the ID of the oldest event that is not sent, 0 where there is none.
// A relay that sends changes it.
func (r *Relay) Oldest(ctx context.Context) (id int64, err error) {
	w, err := r.queue.depth(ctx, oldestWithin)
	return w.OldestID, err
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

// Status returns the relay's status. It is safe for concurrent use.
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
