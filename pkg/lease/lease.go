// Package lease lets one of several instances of a service do work that only one should do
// at a time, such as reading. It keeps the others idle. It does not make their work safe;
// the fencing of each position does: an instance that was paused in the middle and
// continues when its lease has long expired does no harm (Kleppmann, "How to do distributed
// locking", 2016).
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

// Config configures a Lease. All fields are required except TTL.
type Config struct {
	DB     *gorm.DB // with a leases table
	Name   string
	Holder string        // name of this instance, unique among all instances
	TTL    time.Duration // the lease expires so long after its last renewal; 0 means DefaultTTL
	Log    *slog.Logger
}

// DefaultTTL is the time to live of a lease.
const DefaultTTL = 3 * time.Second

// Lease acquires and holds a lease for one instance.
type Lease struct {
	cfg   Config
	held  atomic.Bool
	seen  seen // only for the goroutine of Run, like ahead
	ahead ahead

	mu     sync.Mutex
	status Status
}

// New returns a Lease that is not held; Run acquires it.
func New(cfg Config) (*Lease, error) {
	if cfg.DB == nil || cfg.Name == "" || cfg.Holder == "" || cfg.Log == nil {
		return nil, errors.New("lease: DB, Name, Holder and Log are required")
	}
	if cfg.TTL == 0 {
		cfg.TTL = DefaultTTL
	}
	return &Lease{cfg: cfg}, nil
}

// Held reports whether this instance holds the lease, as of its last renewal. It is safe
// for concurrent use.
func (l *Lease) Held() bool { return l.held.Load() }

// poll returns the interval at which a standby instance tries to acquire the lease. It is
// short, so that a standby takes over soon after a release.
func (l *Lease) poll() time.Duration { return l.cfg.TTL / 6 }

// Run acquires the lease and calls work while this instance holds it. When the lease is
// lost, Run cancels the context of work, waits for work to return, and acquires the lease
// again. When ctx ends, Run releases the lease and returns nil.
func (l *Lease) Run(ctx context.Context, work func(context.Context)) error {
	logged := nothingLogged
	for ctx.Err() == nil {
		acquiring, cancel := context.WithTimeout(ctx, max(l.cfg.TTL, DefaultTTL))
		until, err := l.acquire(acquiring)
		cancel()
		switch {
		case ctx.Err() != nil:
		case err == nil && !until.IsZero():
			if logged != nothingLogged {
				l.cfg.Log.Info("lease acquired; this instance takes over", "lease", l.cfg.Name)
			}
			logged = nothingLogged
			l.hold(ctx, until, work)
			continue
		case err != nil && logged != failureLogged:
			l.cfg.Log.Warn("cannot acquire the lease; this instance does not read", "lease", l.cfg.Name, "error", err)
			logged = failureLogged
		case err == nil && logged != standbyLogged:
			l.cfg.Log.Info("another instance holds the lease; standing by", "lease", l.cfg.Name)
			logged = standbyLogged
		}
		select {
		case <-ctx.Done():
		case <-time.After(l.poll()):
		}
	}
	return nil
}

// The last log message of Run while it waits for the lease. Run logs changes of the
// outcome, not every attempt.
const (
	nothingLogged = iota
	standbyLogged
	failureLogged
)

// hold calls work and renews the lease until the lease is lost or ctx ends.
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
		l.cfg.Log.Warn("lease lost; standing by", "lease", l.cfg.Name, "error", err)
		return
	}
	l.release(context.WithoutCancel(ctx))
}

// renew renews the lease until ctx ends or the lease is lost. While the database does not
// respond, the lease is kept until it expires.
//
// On SQLite, renew does nothing: only one process opens the file, so no other instance can
// take the lease. Renewals would write to the disk all the time, and a slow disk would stop
// the work.
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
			return errors.New("another instance took the lease")
		case err == nil:
			until = next
		default:
			last = err
		}
		if time.Now().After(until) {
			return fmt.Errorf("the lease expired: %w", last)
		}
	}
}

// release deletes the lease, so that another instance need not wait until it expires.
func (l *Lease) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	err := l.cfg.DB.WithContext(ctx).Exec("DELETE FROM leases WHERE name = ? AND holder = ?", l.cfg.Name, l.cfg.Holder).Error
	if err != nil {
		l.cfg.Log.Warn("lease not released; it expires by itself", "lease", l.cfg.Name, "error", err)
	}
}
