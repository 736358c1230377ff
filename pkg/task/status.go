package task

import (
	"fmt"
	"maps"
	"time"
)

// snapshot has the rows as of the last poll.
type snapshot struct {
	rows map[string]Row
	now  time.Time // by the database's clock
	at   time.Time // by this instance's monotonic clock
}

// Status describes a task as of the last poll, with the runs that this instance has ended.
type Status struct {
	Row

	Limit time.Duration
	// Age is the time since the last run that succeeded; negative if none has.
	Age time.Duration
	// Ended counts the runs of this instance by outcome.
	Ended map[string]int64
	// Here says that the task's function runs in this instance.
	Here bool
}

// Status returns the tasks in their configured order, without a query. A task that was not
// polled yet has no row but its name and schedule.
func (r *Runner) Status() []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Status, 0, len(r.tasks))
	for _, t := range r.tasks {
		row, found := r.latest.rows[t.Name]
		if !found {
			row = Row{Name: t.Name, Schedule: t.Schedule.String()}
		}
		s := Status{Row: row, Limit: t.Limit, Age: -1, Ended: maps.Clone(r.counts[t.Name]), Here: r.active[t.Name]}
		if row.SucceededAt != nil {
			s.Age = max(0, r.latest.now.Add(time.Since(r.latest.at)).Sub(*row.SucceededAt))
		}
		all = append(all, s)
	}
	return all
}

// TroubleAfter is the number of runs in a row that do not succeed after which Trouble reports a
// task.
const TroubleAfter = 3

// overdueAfter is the time by which a run may be late, or exceed its limit, before Trouble
// reports it.
const overdueAfter = 2 * time.Minute

// Trouble returns an error if the last poll of Run failed. Otherwise it returns one for the first
// task that has not succeeded in its last runs, that no instance starts although it is due, or
// that does not end. It makes no query.
func (r *Runner) Trouble() error {
	r.mu.Lock()
	failed := r.failed
	r.mu.Unlock()
	if failed != nil {
		return fmt.Errorf("tasks are not started: %w", failed)
	}
	troubles := r.Troubles()
	for _, t := range r.tasks {
		if err := troubles[t.Name]; err != nil {
			return err
		}
	}
	return nil
}

// Troubles returns the error of each task that needs a person's attention, by name.
func (r *Runner) Troubles() map[string]error {
	r.mu.Lock()
	defer r.mu.Unlock()
	troubles := map[string]error{}
	for _, t := range r.tasks {
		row, found := r.latest.rows[t.Name]
		if !found {
			continue
		}
		if err := t.trouble(row, r.latest.now); err != nil {
			troubles[t.Name] = err
		}
	}
	return troubles
}

// trouble returns an error if the task's row needs a person's attention at a time.
func (t Task) trouble(row Row, now time.Time) error {
	switch {
	case row.Failures >= TroubleAfter:
		return fmt.Errorf("task %s did not succeed in its last %d runs: %s", t.Name, row.Failures, row.Error)
	case row.Owner == "" && now.Sub(row.NextAt) > overdueAfter:
		return fmt.Errorf("task %s is due since %s, and no instance starts it", t.Name, row.NextAt.UTC().Format(time.RFC3339))
	case row.Owner != "" && row.StartedAt != nil && now.Sub(*row.StartedAt) > t.Limit+overdueAfter:
		return fmt.Errorf("task %s runs since %s in %s, longer than its limit of %s", t.Name, row.StartedAt.UTC().Format(time.RFC3339), row.Owner, t.Limit)
	default:
		return nil
	}
}

// note records whether a poll of Run succeeded.
func (r *Runner) note(failed error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = failed
}

func (r *Runner) keep(s snapshot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latest = s
}

func (r *Runner) count(name, outcome string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[name][outcome]++
}

func (r *Runner) isActive(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.active[name]
}

func (r *Runner) setActive(name string, active bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if active {
		r.active[name] = true
		return
	}
	delete(r.active, name)
}
