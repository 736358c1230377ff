package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"gorm.io/gorm"
)

// Config says which lease is held, and where it is kept.
type Config struct {
	DB     *gorm.DB // with a leases table
	Name   string
	Holder string        // this instance; no other may have the same
	TTL    time.Duration // after which a silent holder has lost it; 3 s where 0
	Log    *slog.Logger
}

// Lease is one instance's part in it.
type Lease struct {
	cfg  Config
	held atomic.Bool
}

// New makes a lease that nobody holds yet.
func New(cfg Config) (*Lease, error) {
	if cfg.DB == nil || cfg.Name == "" || cfg.Holder == "" || cfg.Log == nil {
		return nil, errors.New("lease: DB, Name, Holder and Log are needed")
	}
	if cfg.TTL == 0 {
		cfg.TTL = 3 * time.Second
	}
	return &Lease{cfg: cfg}, nil
}

// Held reports whether this instance holds the lease, as far as it knows.
func (l *Lease) Held() bool { return l.held.Load() }

// poll is how often those who stand by look: a lease that was given back is taken
// at once.
func (l *Lease) poll() time.Duration { return l.cfg.TTL / 6 }

// Run waits for the lease and has work done while it is held; when it is lost,
// the context of work ends, and Run waits for work to return and then for the
// lease again. It gives the lease back and returns nil when ctx ends.
func (l *Lease) Run(ctx context.Context, work func(context.Context)) error {
	for standby := false; ctx.Err() == nil; {
		until, err := l.acquire(ctx)
		if err == nil && !until.IsZero() {
			if standby {
				l.cfg.Log.Info("this instance takes over", "lease", l.cfg.Name)
			}
			l.hold(ctx, until, work)
			standby = false
			continue
		}
		if err == nil && !standby {
			l.cfg.Log.Info("another instance is at work; standing by", "lease", l.cfg.Name)
			standby = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(l.poll()):
		}
	}
	return nil
}

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

// renew keeps the lease until ctx ends or it is lost. A database that does not
// answer costs it only when the time is up.
func (l *Lease) renew(ctx context.Context, until time.Time) error {
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

// acquire takes the lease, or makes it longer where it is ours. The time until
// which it is ours is reckoned by our own clock, from before we asked; whether
// another's has run out, by the database's. Zero: another holds it.
func (l *Lease) acquire(ctx context.Context) (until time.Time, err error) {
	asked := time.Now()
	db := l.cfg.DB.WithContext(ctx)
	var changed int64
	if db.Name() == "postgres" {
		changed, err = acquirePostgres(db, l.cfg)
	} else {
		changed, err = takeFile(db, l.cfg)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("acquire lease: %w", err)
	}
	if changed == 0 {
		return time.Time{}, nil
	}
	return asked.Add(l.cfg.TTL), nil
}

func acquirePostgres(db *gorm.DB, cfg Config) (int64, error) {
	res := db.Exec(`INSERT INTO leases (name, holder, expires_at) VALUES (?, ?, clock_timestamp() + ? * interval '1 microsecond')
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
		WHERE leases.holder = excluded.holder OR leases.expires_at < clock_timestamp()`,
		cfg.Name, cfg.Holder, cfg.TTL.Microseconds())
	return res.RowsAffected, res.Error
}

// takeFile takes the lease from whoever had it: an SQLite file has one process,
// so the one before is dead.
func takeFile(db *gorm.DB, cfg Config) (int64, error) {
	res := db.Exec(`INSERT INTO leases (name, holder, expires_at) VALUES (?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at`,
		cfg.Name, cfg.Holder, time.Now().UTC().Add(cfg.TTL))
	return res.RowsAffected, res.Error
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
