package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"gorm.io/gorm"
)

// Config says which lease is held, and where it is kept.
type Config struct {
	DB     *gorm.DB // with a leases table
	Name   string
	Holder string        // this instance; no other may have the same
	TTL    time.Duration // after which a silent holder has lost it; DefaultTTL where 0
	Log    *slog.Logger
}

// DefaultTTL is how long a lease lasts where its Config says nothing else.
const DefaultTTL = 3 * time.Second

// Lease is one instance's part in it.
type Lease struct {
	cfg   Config
	held  atomic.Bool
	seen  seen // used by the goroutine of Run alone, like ahead
	ahead ahead

	mu     sync.Mutex
	status Status
}

// New makes a lease that nobody holds yet.
func New(cfg Config) (*Lease, error) {
	if cfg.DB == nil || cfg.Name == "" || cfg.Holder == "" || cfg.Log == nil {
		return nil, errors.New("lease: DB, Name, Holder and Log are needed")
	}
	if cfg.TTL == 0 {
		cfg.TTL = DefaultTTL
	}
	return &Lease{cfg: cfg}, nil
}

// Held reports whether this instance holds the lease, as far as it knows.
func (l *Lease) Held() bool { return l.held.Load() }

// poll returns the interval at which a standby instance tries to acquire the lease. It is
// short, so that a released lease is taken almost at once.
func (l *Lease) poll() time.Duration { return l.cfg.TTL / 6 }

// Run waits for the lease and has work done while it is held; when it is lost,
// the context of work ends, and Run waits for work to return and then for the
// lease again. It gives the lease back and returns nil when ctx ends.
func (l *Lease) Run(ctx context.Context, work func(context.Context)) error {
	told := nothingTold
	for ctx.Err() == nil {
		asking, cancel := context.WithTimeout(ctx, max(l.cfg.TTL, DefaultTTL))
		until, err := l.acquire(asking)
		cancel()
		switch {
		case ctx.Err() != nil:
		case err == nil && !until.IsZero():
			if told != nothingTold {
				l.cfg.Log.Info("this instance takes over", "lease", l.cfg.Name)
			}
			told = nothingTold
			l.hold(ctx, until, work)
			continue
		case err != nil && told != failureTold:
			l.cfg.Log.Warn("cannot acquire the lease; this instance does not read", "lease", l.cfg.Name, "error", err)
			told = failureTold
		case err == nil && told != standbyTold:
			l.cfg.Log.Info("another instance is at work; standing by", "lease", l.cfg.Name)
			told = standbyTold
		}
		select {
		case <-ctx.Done():
		case <-time.After(l.poll()):
		}
	}
	return nil
}

// What Run told the log last while it waits for the lease: it logs changes, not
// every attempt.
const (
	nothingTold = iota
	standbyTold
	failureTold
)

// hold has work done until the lease is lost or ctx ends.
func (l *Lease) hold(ctx context.Context, until time.Time, work func(context.Context)) {
	working, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	l.held.Store(true)
	go func() {
		defer close(done)
		work(working)
	}()
	err := l.renew(ctx, until)
	l.held.Store(false)
	stop()
	<-done
	if ctx.Err() == nil {
		l.cfg.Log.Warn("lease is lost; standing by", "lease", l.cfg.Name, "error", err)
		return
	}
	l.release(context.WithoutCancel(ctx))
}

// renew renews the lease until ctx ends or the lease is lost. A database that does not
// answer loses it only when its time is up.
//
// On SQLite nothing is renewed: the file has one process, so nobody else can take the
// lease. Renewals would write to the disk all the time, and a slow disk would stop the
// work.
func (l *Lease) renew(ctx context.Context, until time.Time) error {
	if l.cfg.DB.Name() != "postgres" {
		<-ctx.Done()
		return ctx.Err()
	}
	var last error
	tick := time.NewTicker(l.cfg.TTL / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		waiting, cancel := context.WithDeadline(ctx, until)
		next, err := l.acquire(waiting)
		cancel()
		switch {
		case err == nil && next.IsZero():
			return errors.New("another instance has taken it")
		case err == nil:
			until = next
		default:
			last = err
		}
		if time.Now().After(until) {
			return fmt.Errorf("it ran out: %w", last)
		}
	}
}

// release gives the lease back, so that another need not wait for it to run out.
func (l *Lease) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	err := l.cfg.DB.WithContext(ctx).Exec("DELETE FROM leases WHERE name = ? AND holder = ?", l.cfg.Name, l.cfg.Holder).Error
	if err != nil {
		l.cfg.Log.Warn("lease was not given back; it runs out by itself", "lease", l.cfg.Name, "error", err)
	}
}
