package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"gorm.io/gorm"
)

// Config configures a Runner. DB, Owner and Log are required.
type Config struct {
	DB    *gorm.DB      // with a tasks table
	Owner string        // name of this instance, unique among all instances
	Tasks []Task        // the same in every instance
	TTL   time.Duration // a run's lease expires so long after its last renewal, the same in every instance; 0 means DefaultTTL
	Poll  time.Duration // pause between polls, jittered; 0 means 1 s
	Log   *slog.Logger
}

// DefaultTTL is the time to live of a run's lease. It is renewed three times as often.
const DefaultTTL = 6 * time.Second

// Errors of Runner.Request.
var (
	ErrUnknown = errors.New("there is no such task")
	ErrRunning = errors.New("the task is running")
)

// Runner runs the tasks of one instance. Run must be called once; the other methods are safe
// for concurrent use.
type Runner struct {
	cfg   Config
	tasks []Task
	table table
	wake  chan struct{}

	ready   bool            // the rows exist; only for the goroutine that polls, like known
	known   map[string]seen // by task
	running sync.WaitGroup

	mu     sync.Mutex
	active map[string]bool             // tasks whose function has not returned
	counts map[string]map[string]int64 // ended runs by task and outcome
	latest snapshot
	failed error // of the last poll; nil if it succeeded
}

// New returns a Runner; Run starts it.
func New(cfg Config) (*Runner, error) {
	if cfg.DB == nil || cfg.Owner == "" || cfg.Log == nil {
		return nil, errors.New("task runner: DB, Owner and Log are required")
	}
	if cfg.TTL == 0 {
		cfg.TTL = DefaultTTL
	}
	if cfg.Poll == 0 {
		cfg.Poll = time.Second
	}
	r := &Runner{
		cfg: cfg, wake: make(chan struct{}, 1), known: map[string]seen{}, active: map[string]bool{}, counts: map[string]map[string]int64{},
		table: table{db: cfg.DB, owner: cfg.Owner, ttl: cfg.TTL, step: func() time.Duration { return 0 }},
	}
	for _, t := range cfg.Tasks {
		t, err := t.filled()
		if err != nil {
			return nil, fmt.Errorf("task runner: %w", err)
		}
		if r.counts[t.Name] != nil {
			return nil, fmt.Errorf("task runner: two tasks are named %s", t.Name)
		}
		r.counts[t.Name] = map[string]int64{}
		r.tasks = append(r.tasks, t)
	}
	return r, nil
}

// Run polls until ctx ends. Then it cancels the runs of this instance, waits until their
// functions have returned, and returns nil.
func (r *Runner) Run(ctx context.Context) error {
	defer r.running.Wait()
	failing := false
	for ctx.Err() == nil {
		err := r.poll(ctx)
		r.note(err)
		switch {
		case ctx.Err() != nil:
		case err != nil && !failing:
			r.cfg.Log.Warn("cannot read or change the tasks; trying again", "error", err)
		case err == nil && failing:
			r.cfg.Log.Info("tasks can be read and changed again")
		}
		failing = err != nil
		pause(ctx, r.cfg.Poll, r.wake)
	}
	return nil
}

// RunOnce polls once, starts the runs that are due, and waits until they have ended.
func (r *Runner) RunOnce(ctx context.Context) error {
	err := r.poll(ctx)
	r.running.Wait()
	return err
}

// Request makes an instance run a task as soon as possible, and returns the task's row from
// before the run, whose token is one above the row's. It returns ErrUnknown for a task that this
// runner does not have, and ErrRunning with the row while the task runs.
func (r *Runner) Request(ctx context.Context, name string) (Row, error) {
	n := slices.IndexFunc(r.tasks, func(t Task) bool { return t.Name == name })
	if n < 0 {
		return Row{}, ErrUnknown
	}
	row, err := r.table.request(ctx, r.tasks[n])
	if err == nil {
		r.again()
	}
	return row, err
}

// List returns the rows of this runner's tasks in their configured order.
func (r *Runner) List(ctx context.Context) ([]Row, error) {
	rows, _, err := r.table.read(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Row, 0, len(r.tasks))
	for _, t := range r.tasks {
		if row, found := rows[t.Name]; found {
			all = append(all, row)
		}
	}
	return all, nil
}

// again makes Run poll without a pause.
func (r *Runner) again() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// poll reads the rows and acts on each of them. It does not wait for the runs that it starts.
func (r *Runner) poll(ctx context.Context) error {
	if len(r.tasks) == 0 {
		return nil
	}
	reading, cancel := context.WithTimeout(ctx, max(r.cfg.TTL, DefaultTTL))
	defer cancel()
	if !r.ready {
		if err := r.prepare(reading); err != nil {
			return err
		}
		r.ready = true
	}
	rows, now, err := r.table.read(reading)
	if err != nil {
		return err
	}
	tick := time.Now()
	r.keep(snapshot{rows: rows, now: now, at: tick})
	var errs []error
	for _, t := range r.tasks {
		row, found := rows[t.Name]
		if !found {
			r.ready = false // somebody deleted the row
			continue
		}
		known := r.see(row, tick)
		if r.isActive(t.Name) {
			continue
		}
		errs = append(errs, r.act(ctx, t, row, known, now, tick))
	}
	return errors.Join(errs...)
}

// prepare inserts missing rows. Only one process opens an SQLite file, so there it also ends
// the runs of an earlier process.
func (r *Runner) prepare(ctx context.Context) error {
	for _, t := range r.tasks {
		if err := r.table.ensure(ctx, t); err != nil {
			return err
		}
	}
	if r.cfg.DB.Name() == "postgres" {
		return nil
	}
	rows, now, err := r.table.read(ctx)
	if err != nil {
		return err
	}
	for _, t := range r.tasks {
		if row := rows[t.Name]; row.Owner != "" && row.Owner != r.cfg.Owner {
			if _, err := r.table.bury(ctx, t, row, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// see records that this poll has found a row, and returns what was known before.
func (r *Runner) see(row Row, tick time.Time) seen {
	known, found := r.known[row.Name]
	if !found || known.beat != row.Beat {
		known = seen{beat: row.Beat, since: tick}
		r.known[row.Name] = known
		return known
	}
	r.known[row.Name] = seen{beat: row.Beat, since: known.since, last: tick}
	return known
}

// act does with a task what decide says. When another instance is faster, it does nothing.
func (r *Runner) act(ctx context.Context, t Task, row Row, known seen, now, tick time.Time) error {
	writing, cancel := context.WithTimeout(ctx, r.cfg.TTL)
	defer cancel()
	switch r.decide(t, row, known, now, tick) {
	case start:
		began := time.Now()
		claimed, mine, err := r.table.claim(writing, t, row, now)
		if mine {
			r.begin(ctx, t, claimed, began)
		}
		return err
	case replan:
		next := t.replanned(now, tick.Sub(known.since)).UTC()
		done, err := r.table.change(writing, row, map[string]any{"next_at": next})
		if done {
			r.cfg.Log.Info("task planned anew: it was missed, or the clock was set back", "task", t.Name, "was", row.NextAt.UTC(), "next", next)
		}
		return err
	case bury:
		done, err := r.table.bury(writing, t, row, now)
		if done {
			r.again()
			r.cfg.Log.Warn("ended the run of an instance that no longer renewed its lease", "task", t.Name, "owner", row.Owner)
		}
		return err
	case nothing:
	}
	return nil
}

// decide calls Task.decide, except for runs whose owner is known to be dead or alive. A run of
// this instance that does not run here was claimed by a statement whose result got lost. On
// SQLite, a run of another owner belongs to another Runner of this process, which is alive.
func (r *Runner) decide(t Task, row Row, known seen, now, tick time.Time) action {
	switch {
	case row.Owner == r.cfg.Owner:
		return bury
	case row.Owner != "" && r.cfg.DB.Name() != "postgres":
		return nothing
	default:
		return t.decide(row, known, now, tick, r.cfg.TTL)
	}
}

// begin executes a claimed run in the background.
func (r *Runner) begin(ctx context.Context, t Task, row Row, began time.Time) {
	r.setActive(t.Name, true)
	r.running.Go(func() {
		defer r.setActive(t.Name, false)
		r.execute(ctx, t, row, began)
	})
}

// pause waits for about d, until ctx ends, or until wake gets a value.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d*4/5 + rand.N(d*2/5+1))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-timer.C:
	}
}
