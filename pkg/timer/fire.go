package timer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/dbtx"
	"quadrille/pkg/events"
)

// Handler handles due timers of one kind within tx, the transaction that deletes them. It
// must first lock the subjects, in the order of their IDs, and then decide by their state:
// a transaction that cancels a timer locks its subject first, too. To append events, it
// stamps each with the context of its timer. It must have no effect outside tx, since tx may
// be rolled back and the timers passed again, in smaller batches.
type Handler func(ctx context.Context, tx *gorm.DB, due []Timer) error

// Config configures a Firer. DB, Handlers and Log are required.
type Config struct {
	DB *gorm.DB // with a timers table
	// Handlers has the handler of each kind. Timers of other kinds stay in the table.
	Handlers map[string]Handler
	Batch    int    // maximum number of timers per transaction; 0 means 500
	OnCommit func() // called after each transaction, to wake the relay; may be nil
	Log      *slog.Logger
	Hook     func(point string) // called at AtHandled and AtFired, for crash tests; may be nil
}

// The points at which a Firer calls its Hook.
const (
	AtHandled = "timer_handled" // after the handler, before the commit
	AtFired   = "timer_fired"   // after the commit
)

// Firer fires due timers. Several may work on one database: each timer fires once, since its
// deletion and its effect share a transaction. A Firer is safe for concurrent use.
type Firer struct {
	cfg   Config
	kinds []string
}

// Transact calls work in a transaction, as dbtx.Run does.
type Transact func(ctx context.Context, work func(tx *gorm.DB) error) error

// NewFirer returns a Firer. Call RunOnce or FireIn at intervals.
func NewFirer(cfg Config) (*Firer, error) {
	if cfg.DB == nil || cfg.Log == nil || len(cfg.Handlers) == 0 {
		return nil, errors.New("timers: DB, Handlers and Log are required")
	}
	for kind, handle := range cfg.Handlers {
		if kind == "" || handle == nil {
			return nil, fmt.Errorf("timers: the kind %q has no handler", kind)
		}
	}
	cfg.Handlers = maps.Clone(cfg.Handlers)
	if cfg.Batch == 0 {
		cfg.Batch = 500
	}
	if cfg.OnCommit == nil {
		cfg.OnCommit = func() {}
	}
	if cfg.Hook == nil {
		cfg.Hook = func(string) {}
	}
	return &Firer{cfg: cfg, kinds: slices.Sorted(maps.Keys(cfg.Handlers))}, nil
}

// RunOnce fires all timers that are due, and returns their number. A timer whose handler
// fails stays, with the error, and does not delay the others; it is tried again after a
// pause that grows from a second to five minutes.
func (f *Firer) RunOnce(ctx context.Context) (fired int, err error) {
	return f.FireIn(ctx, func(ctx context.Context, work func(tx *gorm.DB) error) error {
		return dbtx.Run(f.cfg.DB.WithContext(ctx), work)
	})
}

// FireIn does the same as RunOnce in transactions of the caller, such as task.Run.Do, which
// checks that this instance still is the one to run the task. FireIn returns the error of such
// a check, and blames no timer for it.
func (f *Firer) FireIn(ctx context.Context, transact Transact) (fired int, err error) {
	for _, kind := range f.kinds {
		n, failed := f.fireKind(ctx, kind, transact)
		fired += n
		err = errors.Join(err, failed)
	}
	if err != nil {
		return fired, fmt.Errorf("fire timers: %w", err)
	}
	return fired, nil
}

// fireKind fires the due timers of a kind, oldest first, batch by batch.
func (f *Firer) fireKind(ctx context.Context, kind string, transact Transact) (fired int, err error) {
	for ctx.Err() == nil {
		batch, err := f.due(ctx, kind)
		if err != nil || len(batch) == 0 {
			return fired, err
		}
		n, err := f.try(ctx, batch, transact)
		fired += n
		if err != nil || len(batch) < f.cfg.Batch {
			return fired, err
		}
	}
	return fired, ctx.Err()
}

// try fires a batch. If the handler fails, try fires the halves of the batch, until the timers
// that fail are alone; it records their errors. Other errors it returns.
func (f *Firer) try(ctx context.Context, batch []Timer, transact Transact) (fired int, err error) {
	cause, err := f.fire(ctx, batch, transact)
	switch {
	case err == nil:
		return len(batch), nil
	case cause == nil || ctx.Err() != nil || transient(err):
		return 0, err
	case len(batch) == 1:
		return 0, f.failed(ctx, batch[0], cause, transact)
	}
	half := len(batch) / 2
	for _, part := range [][]Timer{batch[:half], batch[half:]} {
		n, err := f.try(ctx, part, transact)
		fired += n
		if err != nil {
			return fired, err
		}
	}
	return fired, nil
}

// errOvertaken reports that a timer of the batch was cancelled or set again since it was
// read.
var errOvertaken = errors.New("the timer changed while it fired: its handler must pass its own context to Set and Cancel")

// fire calls the handler and deletes the timers, in one transaction. cause is the error of
// either; if it is nil, err is that of the transaction. The deletion follows the handler, so
// that the transaction locks subjects before timers, like those that set and cancel them; the
// other order would deadlock with them.
func (f *Firer) fire(ctx context.Context, batch []Timer, transact Transact) (cause, err error) {
	err = transact(ctx, func(tx *gorm.DB) error {
		cause = f.handle(ctx, tx, batch)
		return cause
	})
	if err == nil {
		f.cfg.Hook(AtFired)
		f.cfg.OnCommit()
	}
	return cause, err
}

// handle calls the handler and deletes the timers within tx.
func (f *Firer) handle(ctx context.Context, tx *gorm.DB, batch []Timer) error {
	kind := batch[0].Kind
	now := &firing{kind: kind, subjects: make(map[string]bool, len(batch)), again: map[string]Timer{}}
	for _, t := range batch {
		now.subjects[t.Subject] = true
	}
	if err := call(now.within(ctx), f.cfg.Handlers[kind], tx, slices.Clone(batch)); err != nil {
		return err
	}
	if err := f.delete(tx, kind, slices.Collect(maps.Keys(now.subjects))); err != nil {
		return err
	}
	if err := Set(ctx, tx, slices.Collect(maps.Values(now.again))...); err != nil {
		return err
	}
	f.cfg.Hook(AtHandled)
	return nil
}

// call calls a handler and converts a panic to an error.
func call(ctx context.Context, handle Handler, tx *gorm.DB, due []Timer) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the handler panicked: %v", p)
		}
	}()
	return handle(ctx, tx, due)
}

// delete deletes due timers. It returns errOvertaken unless it finds each of them.
func (f *Firer) delete(tx *gorm.DB, kind string, subjects []string) error {
	sql, args := dueNow(tx.Name())
	res := tx.Exec("DELETE FROM timers WHERE kind = ? AND subject IN ? AND "+sql, append([]any{kind, subjects}, args...)...)
	if res.Error != nil {
		return fmt.Errorf("delete fired timers: %w", res.Error)
	}
	if res.RowsAffected != int64(len(subjects)) {
		return errOvertaken
	}
	return nil
}

// row is one row of the table.
type row struct {
	Kind, Subject                           string
	Version                                 int64
	DueAt                                   time.Time
	CorrelationID, CausationID, TraceParent string
	Attempts                                int
}

// due reads the due timers of a kind, without a lock.
func (f *Firer) due(ctx context.Context, kind string) ([]Timer, error) {
	sql, args := dueNow(f.cfg.DB.Name())
	var rows []row
	err := f.cfg.DB.WithContext(ctx).Table(Table).
		Select("kind", "subject", "version", "due_at", "correlation_id", "causation_id", "trace_parent", "attempts").
		Where("kind = ?", kind).Where(sql, args...).Order("due_at, subject").Limit(f.cfg.Batch).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("find due timers: %w", err)
	}
	due := make([]Timer, len(rows))
	for i, r := range rows {
		due[i] = Timer{
			Kind: r.Kind, Subject: r.Subject, Version: r.Version, DueAt: r.DueAt.UTC(), Attempts: r.Attempts,
			Cause: events.Cause{CorrelationID: r.CorrelationID, CausationID: r.CausationID, TraceParent: r.TraceParent},
		}
	}
	return due, nil
}

// dueNow returns the condition for timers that are due and do not wait for a retry. The
// database's clock decides. A retry that lies further ahead than any pause is due, too: the
// clock was set back.
func dueNow(dialect string) (sql string, args []any) {
	if dialect == "postgres" {
		return "due_at <= clock_timestamp() AND (retry_at IS NULL OR retry_at NOT BETWEEN clock_timestamp() AND clock_timestamp() + ? * interval '1 microsecond')",
			[]any{maxPause.Microseconds()}
	}
	return "due_at <= ? AND (retry_at IS NULL OR retry_at NOT BETWEEN ? AND ?)", []any{now(), now(), now().Add(maxPause)}
}
