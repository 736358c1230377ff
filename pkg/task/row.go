package task

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/dbtx"
)

// Table names the table of tasks.
const Table = "tasks"

// Row describes a task as the database has it. Times are in UTC, by the database's clock.
type Row struct {
	Name        string
	Schedule    string
	NextAt      time.Time  // of the next run; while the task runs, of the run after
	RequestedAt *time.Time // when somebody asked for a run that has not started yet
	Token       int64      // number of runs started so far
	Beat        int64      // rises with each write to the row
	Owner       string     // instance that runs the task; empty if none does
	ExpiresAt   *time.Time // of the owner's lease
	StartedAt   *time.Time // of the latest run
	Slot        *time.Time // planned time of the latest run; nil before the first
	LastAt      *time.Time // start of the latest run that ended
	SucceededAt *time.Time // end of the latest run that succeeded
	DurationMS  int64      `gorm:"column:duration_ms"` // of the latest run that ended
	Outcome     string     // of the latest run that ended
	Error       string     // of the latest run that ended
	Found       string     // by the latest run that ended; see Run.Report
	Runs        int64      // number of runs that ended
	Failures    int64      // number of runs that ended since one succeeded
}

// Since returns the start of the latest run in RFC 3339; "never" before the first.
func (r Row) Since() string {
	if r.StartedAt == nil {
		return "never"
	}
	return r.StartedAt.UTC().Format(time.RFC3339)
}

// List returns the rows of all tasks by name, also of tasks that the program no longer has.
func List(ctx context.Context, db *gorm.DB) ([]Row, error) {
	var rows []Row
	if err := db.WithContext(ctx).Table(Table).Order("name").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list tasks: %w", err)
	}
	return rows, nil
}

// table reads and writes the rows for one instance.
type table struct {
	db    *gorm.DB
	owner string
	ttl   time.Duration
	step  func() time.Duration // added to the database's clock; tests set it
}

// now returns the time of the database's clock. SQLite has the clock of this process.
func (b table) now(db *gorm.DB) (now time.Time, err error) {
	now = time.Now()
	if db.Name() == "postgres" {
		if err := db.Raw("SELECT clock_timestamp()").Row().Scan(&now); err != nil {
			return now, fmt.Errorf("read the database's clock: %w", err)
		}
	}
	return now.Add(b.step()).UTC().Truncate(time.Microsecond), nil
}

// read returns the rows by name and the database's time.
func (b table) read(ctx context.Context) (rows map[string]Row, now time.Time, err error) {
	if now, err = b.now(b.db.WithContext(ctx)); err != nil {
		return nil, now, err
	}
	all, err := List(ctx, b.db)
	if err != nil {
		return nil, now, err
	}
	rows = make(map[string]Row, len(all))
	for _, row := range all {
		rows[row.Name] = row
	}
	return rows, now, nil
}

// ensure inserts the row of a task, or plans the task anew if its schedule has changed.
func (b table) ensure(ctx context.Context, t Task) error {
	return dbtx.Run(b.db.WithContext(ctx), func(tx *gorm.DB) error {
		now, err := b.now(tx)
		if err != nil {
			return err
		}
		err = tx.Exec("INSERT INTO tasks (name, schedule, next_at) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING",
			t.Name, t.Schedule.String(), t.Schedule.Next(now).UTC()).Error
		if err != nil {
			return fmt.Errorf("add task %s: %w", t.Name, err)
		}
		err = tx.Exec("UPDATE tasks SET schedule = ?, next_at = ?, beat = beat + 1 WHERE name = ? AND schedule <> ?",
			t.Schedule.String(), t.Schedule.Next(now).UTC(), t.Name, t.Schedule.String()).Error
		if err != nil {
			return fmt.Errorf("change the schedule of task %s: %w", t.Name, err)
		}
		return nil
	})
}

// change writes columns to a row that nobody has written since it was read. It reports whether
// it did.
func (b table) change(ctx context.Context, row Row, set map[string]any) (bool, error) {
	set["beat"] = row.Beat + 1
	res := b.db.WithContext(ctx).Table(Table).Where("name = ? AND beat = ?", row.Name, row.Beat).Updates(set)
	if res.Error != nil {
		return false, fmt.Errorf("change task %s: %w", row.Name, res.Error)
	}
	return res.RowsAffected == 1, nil
}

// claim starts a run: it takes the row for this instance. It returns the new row, and false if
// another instance was faster.
func (b table) claim(ctx context.Context, t Task, row Row, now time.Time) (Row, bool, error) {
	slot, next := t.begin(row, now)
	expires := now.Add(b.ttl)
	mine, err := b.change(ctx, row, map[string]any{
		"token": row.Token + 1, "owner": b.owner, "started_at": now, "expires_at": expires,
		"slot": utc(slot), "next_at": next.UTC(), "requested_at": nil,
	})
	row.Token, row.Beat, row.Owner, row.StartedAt, row.ExpiresAt = row.Token+1, row.Beat+1, b.owner, &now, &expires
	row.Slot, row.NextAt, row.RequestedAt = slot, next, nil
	return row, mine, err
}

// bury ends the run of a dead instance.
func (b table) bury(ctx context.Context, t Task, row Row, now time.Time) (bool, error) {
	took := int64(0)
	if row.StartedAt != nil {
		took = max(0, now.Sub(*row.StartedAt).Milliseconds())
	}
	return b.change(ctx, row, map[string]any{
		"owner": "", "expires_at": nil, "last_at": row.StartedAt, "duration_ms": took, "outcome": Lost,
		"error": row.Owner + " no longer renewed its lease: it was killed, stopped, or cut off from the database",
		"found": "", "runs": row.Runs + 1, "failures": row.Failures + 1, "next_at": t.after(row, Lost, now).UTC(),
	})
}

// renew extends the lease of a run. It returns ErrLost if another instance has ended the run.
func (b table) renew(ctx context.Context, row Row) error {
	db := b.db.WithContext(ctx)
	now, err := b.now(db)
	if err != nil {
		return err
	}
	return b.own(db, row, "expires_at = ?, beat = beat + 1", now.Add(b.ttl))
}

// own writes to the row of a run, unless the run has lost its lease.
func (b table) own(db *gorm.DB, row Row, set string, args ...any) error {
	args = append(args, row.Name, row.Token, b.owner)
	res := db.Exec("UPDATE tasks SET "+set+" WHERE name = ? AND token = ? AND owner = ?", args...)
	switch {
	case res.Error != nil:
		return fmt.Errorf("write to task %s: %w", row.Name, res.Error)
	case res.RowsAffected == 0:
		return fmt.Errorf("task %s: %w to another instance", row.Name, ErrLost)
	default:
		return nil
	}
}

// end records the outcome of a run and plans the next one.
func (b table) end(ctx context.Context, t Task, row Row, outcome, text string, took time.Duration) error {
	return dbtx.Run(b.db.WithContext(ctx), func(tx *gorm.DB) error {
		now, err := b.now(tx)
		if err != nil {
			return err
		}
		set := "owner = '', expires_at = NULL, last_at = started_at, runs = runs + 1, beat = beat + 1, " +
			"outcome = ?, error = ?, found = ?, duration_ms = ?, next_at = ?, failures = failures + 1"
		took = took.Truncate(time.Millisecond) + time.Millisecond // 0 would mean that nothing ran
		args := []any{outcome, text, row.Found, took.Milliseconds(), t.after(row, outcome, now).UTC()}
		if outcome == Succeeded {
			set = set[:len(set)-len("failures + 1")] + "0, succeeded_at = ?"
			args = append(args, now)
		}
		return b.own(tx, row, set, args...)
	})
}

// request marks a task that nobody runs to run soon. It returns the row, and ErrRunning if an
// instance runs the task.
func (b table) request(ctx context.Context, t Task) (Row, error) {
	for {
		rows, now, err := b.read(ctx)
		if err != nil {
			return Row{}, err
		}
		row, found := rows[t.Name]
		switch {
		case !found:
			if err := b.ensure(ctx, t); err != nil {
				return Row{}, err
			}
			continue
		case row.Owner != "":
			return row, ErrRunning
		case row.RequestedAt != nil:
			return row, nil
		}
		// If another instance writes to the row first, look again.
		marked, err := b.change(ctx, row, map[string]any{"requested_at": now})
		if err != nil || marked {
			row.RequestedAt = &now
			return row, err
		}
	}
}

func utc(t *time.Time) any {
	if t == nil {
		return nil
	}
	return t.UTC()
}
