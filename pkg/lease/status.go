package lease

import (
	"context"
	"time"
)

// Status is what an instance knows of the lease. It asks nobody.
type Status struct {
	Held   bool   // by this instance
	Holder string // as of the last look; empty where nobody holds it or it is unknown
	// Err says why the lease could not be acquired, renewed or looked at, or by whom it
	// is held although its holder seems to be dead. It is empty where this instance
	// holds the lease, or another one does that renews it.
	Err string
	// Since is when Err was first so: since then nobody is known to hold the lease. It
	// is zero where Err is empty.
	Since time.Time
}

// Status returns what is known of the lease. It is safe for concurrent use.
func (l *Lease) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.status
	s.Held = l.Held()
	return s
}

// seen is another holder's lease, as of the last look.
type seen struct {
	holder string
	ahead  bool // it expires later than any holder writes
}

// note keeps what an attempt to acquire the lease found.
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
		l.status.Err = "nobody holds the lease"
	case l.seen.ahead:
		l.status.Err = "the lease of " + l.seen.holder + " expires in the future, beyond any renewal"
	default:
		l.status = Status{Holder: l.seen.holder}
		return
	}
	l.status.Holder = l.seen.holder
	if l.status.Since.IsZero() {
		l.status.Since = time.Now()
	}
}
