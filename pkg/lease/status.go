package lease

import (
	"context"
	"time"
)

// Status is the state of the lease as of an instance's last query.
type Status struct {
	Held   bool   // by this instance
	Holder string // empty if the lease is not held or the holder is unknown
	// Err explains why the lease could not be acquired, renewed or read, or names a holder
	// that seems to be dead. It is empty while this instance holds the lease or another
	// instance renews it.
	Err string
	// Since is the begin of the present trouble: no live holder is known since then. It is
	// zero if Err is empty.
	Since time.Time
}

// Status returns the state of the lease without a query. It is safe for concurrent use.
func (l *Lease) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.status
	s.Held = l.Held()
	return s
}

// seen describes another holder's lease, as of the last query.
type seen struct {
	holder string
	ahead  bool // expires later than now + TTL
}

// note records the result of an attempt to acquire the lease.
func (l *Lease) note(ctx context.Context, taken bool, err error) {
	if ctx.Err() != nil && err == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case taken:
		l.status = Status{Holder: l.cfg.Holder}
		return
	case err != nil:
		l.status.Err = err.Error()
	case l.seen.holder == "":
		l.status.Err = "no instance holds the lease"
	case l.seen.ahead:
		l.status.Err = "the lease of " + l.seen.holder + " expires too far in the future"
	default:
		l.status = Status{Holder: l.seen.holder}
		return
	}
	l.status.Holder = l.seen.holder
	if l.status.Since.IsZero() {
		l.status.Since = time.Now()
	}
}
