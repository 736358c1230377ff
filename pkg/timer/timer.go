// Package timer lets a service act if something has not happened by a time. Set writes a
// timer in the transaction that needs it, Cancel deletes it in the transaction that does
// not, and a Firer calls the handler of the timer's kind when it is due, in the transaction
// that deletes it. So a timer survives restarts, and takes effect once or not at all.
package timer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/events"
)

// Table is the name of the table of timers.
const Table = "timers"

// Timer says that a subject needs attention at a time. A subject has one timer of each kind.
type Timer struct {
	Kind    string // names the handler, such as "order_timeout"
	Subject string // the ID of the thing
	Version int64  // of the subject when the timer was set
	// Cause becomes the cause of the events that the handler appends. If it is zero, Set
	// takes the cause from its context.
	Cause events.Cause
	// After is the time from Set until the timer is due, by the database's clock. Only Set
	// and Insert use it.
	After time.Duration
	// DueAt is the time when the timer became due, in UTC. Only handlers get it.
	DueAt time.Time
	// Attempts is the number of times that the handler failed with this timer.
	Attempts int
}

// Since returns a timer of a kind for the subject of e, due some time after it is set. e
// becomes its cause.
func Since(e events.Event, kind string, after time.Duration) Timer {
	return Timer{
		Kind: kind, Subject: e.Subject, Version: e.Version, After: after,
		Cause: events.Cause{CorrelationID: e.CorrelationID, CausationID: e.ID, TraceParent: e.TraceParent},
	}
}

// Context returns a context in which the timer's cause is the cause of all changes.
func (t Timer) Context(ctx context.Context) context.Context { return events.WithCause(ctx, t.Cause) }

// rowsAtOnce bounds the rows of one statement.
const rowsAtOnce = 500

// Set sets timers of different kinds or subjects within tx, the caller's open transaction. A
// timer replaces one of the same kind and subject. A handler may set the timer again that it
// handles; it must pass its own context.
func Set(ctx context.Context, tx *gorm.DB, timers ...Timer) error {
	timers = firingIn(ctx).keep(timers)
	for len(timers) > 0 {
		n := min(len(timers), rowsAtOnce)
		sql, args, err := Insert(ctx, tx.Name(), timers[:n]...)
		if err != nil {
			return err
		}
		if err := tx.WithContext(ctx).Exec(sql+replace, args...).Error; err != nil {
			return fmt.Errorf("set timers: %w", err)
		}
		timers = timers[n:]
	}
	return nil
}

// replace makes an INSERT replace timers of the same kind and subject.
const replace = " ON CONFLICT (kind, subject) DO UPDATE SET version = excluded.version, due_at = excluded.due_at," +
	" correlation_id = excluded.correlation_id, causation_id = excluded.causation_id, trace_parent = excluded.trace_parent," +
	" attempts = 0, retry_at = NULL, error = ''"

// Insert returns a statement that sets timers of new subjects, for callers that send it
// together with others: the SQL for a dialect, postgres or sqlite, with a ? for each
// argument. Unlike Set, the statement fails if there is a timer of the same kind and subject.
// At least one timer is required.
func Insert(ctx context.Context, dialect string, timers ...Timer) (sql string, args []any, err error) {
	due, dueArg := "clock_timestamp() + ? * interval '1 microsecond'", func(after time.Duration) any { return after.Microseconds() }
	if dialect != "postgres" {
		due, dueArg = "?", func(after time.Duration) any { return now().Add(after) }
	}
	for _, t := range timers {
		if t.Kind == "" || t.Subject == "" || t.After < 0 {
			return "", nil, fmt.Errorf("timer %q for %q after %s: a kind, a subject and a time that is not negative are required", t.Kind, t.Subject, t.After)
		}
		c := t.Cause
		if c == (events.Cause{}) {
			c = events.CauseOf(ctx)
		}
		args = append(args, t.Kind, t.Subject, t.Version, dueArg(t.After), c.CorrelationID, c.CausationID, c.TraceParent)
	}
	if len(timers) == 0 {
		return "", nil, errors.New("insert timers: there is no timer")
	}
	row := "(?, ?, ?, " + due + ", ?, ?, ?)"
	return "INSERT INTO timers (kind, subject, version, due_at, correlation_id, causation_id, trace_parent) VALUES " +
		row + strings.Repeat(", "+row, len(timers)-1), args, nil
}

// Cancel deletes the timers of a kind for these subjects within tx, the caller's open
// transaction. It does nothing for subjects without one.
func Cancel(ctx context.Context, tx *gorm.DB, kind string, subjects ...string) error {
	subjects = firingIn(ctx).without(kind, subjects)
	for len(subjects) > 0 {
		n := min(len(subjects), rowsAtOnce)
		if err := tx.WithContext(ctx).Exec("DELETE FROM timers WHERE kind = ? AND subject IN ?", kind, subjects[:n]).Error; err != nil {
			return fmt.Errorf("cancel timers: %w", err)
		}
		subjects = subjects[n:]
	}
	return nil
}

// now returns the time for SQLite, whose clock is that of this process.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
