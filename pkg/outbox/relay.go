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

// RelayConfig configures a Relay. DB, Bus, Stream and Log are required.
type RelayConfig struct {
	DB     *gorm.DB
	Bus    bus.Bus
	Stream string
	Batch  int           // maximum number of events per batch; 0 means 1000
	Poll   time.Duration // interval at which the outbox is read without Wake, jittered; 0 means 1 s
	Verify time.Duration // interval of Verify; 0 means 10 s
	Log    *slog.Logger
	At     func(point string) // called at AtClaimed and AtPublished, for crash tests; may be nil
}

// Relay publishes the events of the outbox in order, and marks them sent when the log has
// confirmed them. Events without a confirmation stay unsent and are published again with the
// same ID: at least once, never lost. The relay parks an event that the log refuses because
// of its content, and continues with later events. Each instance of a service has a relay;
// on PostgreSQL one of them works at a time. A Relay is safe for concurrent use.
type Relay struct {
	cfg      RelayConfig
	queue    queue
	wake     chan struct{} // of size 1
	busy     sync.Mutex    // held while a batch is claimed, published and marked
	bisector bisector      // guarded by busy

	seen verification

	mu         sync.Mutex
	status     Status
	verifySoon bool  // verify before the next batch
	problem    error // result of History
}

// Status describes what the relay did and why it waits.
type Status struct {
	Sent  int64     // events since start
	Err   string    // of the last batch; empty if it succeeded
	Since time.Time // of the first of the consecutive errors
}

// NewRelay returns a relay; Run starts it.
func NewRelay(cfg RelayConfig) (*Relay, error) {
	if cfg.DB == nil || cfg.Bus == nil || cfg.Stream == "" || cfg.Log == nil {
		return nil, errors.New("outbox relay: DB, Bus, Stream and Log are required")
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
	return &Relay{cfg: cfg, queue: newQueue(cfg.DB), wake: make(chan struct{}, 1), bisector: bisector{size: cfg.Batch, max: cfg.Batch}}, nil
}

// Wake makes the relay read the outbox at once. Call it after a commit with events. It never
// blocks.
func (r *Relay) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run relays until ctx ends, and returns nil. After an error it retries without limit, with
// pauses that grow from 50 ms to 5 s, jittered. It declares the stream first, so that readers
// find it before the first event, and verifies the history at intervals.
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

// turn relays one batch. Before the first batch, and when a verification is due, it verifies
// the history. drained means that the last batch emptied the outbox; more means that further
// events may wait.
func (r *Relay) turn(ctx context.Context, drained bool) (more bool, err error) {
	if r.verifyDue(drained) {
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
		r.VerifySoon()
	case !more:
		r.restored()
	}
	return more, err
}

// batchTimeout bounds one batch, so that a hanging connection does not stop the relay.
const batchTimeout = 20 * time.Second

// RunOnce publishes one batch and returns the number of sent events: 0 if none wait or
// another relay is at work. It parks events that the log refuses.
func (r *Relay) RunOnce(ctx context.Context) (sent int, err error) {
	sent, _, err = r.relay(ctx)
	return sent, err
}

// relay claims batches until one is sent, none is left, or the log is unavailable.
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

// claim publishes and marks one batch of the bisector's size. refused means that the log
// refused the batch, and that the next claim differs: it has fewer events, or skips the
// parked one.
func (r *Relay) claim(ctx context.Context) (sent int, more, refused bool, err error) {
	waiting, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	var batch []due
	sent, more, err = r.queue.claim(waiting, r.bisector.size, func(claimed []due) error {
		batch = claimed
		r.cfg.At(AtClaimed)
		if err := r.publish(waiting, claimed); err != nil {
			return err
		}
		r.cfg.At(AtPublished)
		return nil
	})
	if errors.Is(err, bus.ErrRefused) && ctx.Err() == nil {
		return 0, false, true, r.handleRefusal(ctx, batch, err)
	}
	if err == nil && sent > 0 {
		r.bisector.published()
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

// Waiting counts the unsent events, up to 1,000,000, and finds the oldest. Its cost does not
// depend on the number of sent events.
func (r *Relay) Waiting(ctx context.Context) (Waiting, error) { return r.queue.depth(ctx, maxCounted) }

// oldestRows bounds the rows that Oldest reads.
const oldestRows = 1000

// Oldest returns the outbox ID of the oldest unsent event, or 0 if there is none. It changes
// whenever a relay sends events.
func (r *Relay) Oldest(ctx context.Context) (id int64, err error) {
	w, err := r.queue.depth(ctx, oldestRows)
	return w.OldestID, err
}

// note updates the status. It logs the first error and the recovery, not every attempt.
func (r *Relay) note(ctx context.Context, sent int, err error) {
	if ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Sent += int64(sent)
	switch {
	case err == nil && r.status.Err != "":
		r.cfg.Log.Info("relay continues", "stream", r.cfg.Stream, "after", time.Since(r.status.Since).Round(time.Millisecond).String())
		r.status.Err, r.status.Since = "", time.Time{}
	case err != nil && r.status.Err == "":
		r.cfg.Log.Warn("relay waits; events stay in the outbox", "stream", r.cfg.Stream, "error", err)
		r.status.Since = time.Now()
	}
	if err != nil {
		r.status.Err = err.Error()
	}
}

// Status returns the relay's status.
func (r *Relay) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// pause waits for d, for a value on wake, or for the end of ctx.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-wake:
	}
}

// jitter returns d with a random deviation of up to a fifth, so that the relays of several
// instances do not query at the same time.
func jitter(d time.Duration) time.Duration {
	return d - d/5 + rand.N(2*d/5+1)
}
