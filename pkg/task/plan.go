package task

import "time"

// action names the step that an instance takes for a task after reading its row.
type action int

const (
	nothing action = iota
	replan         // write a new plan, because the present one was missed or is impossible
	start          // start a run
	bury           // end the run of a dead instance
)

// seen records when earlier polls of this instance found a row, by its monotonic clock.
type seen struct {
	beat  int64
	since time.Time // first poll that found the row with this beat
	last  time.Time // latest poll before the present one; zero if since is the present one
}

// grace is the time by which a run may be late before it counts as missed.
const grace = time.Minute

// decide returns what to do with a task. now is the database's time, tick the monotonic time
// of the poll that read the row.
func (t Task) decide(row Row, known seen, now, tick time.Time, ttl time.Duration) action {
	watched := tick.Sub(known.since)
	switch {
	case row.Owner != "":
		if row.dead(watched, now, ttl) {
			return bury
		}
		return nothing
	case row.RequestedAt != nil:
		return start
	case t.Schedule.zone == nil && watched >= t.Schedule.every: // the clock may have been set back
		return start
	case !t.Schedule.plausible(row.NextAt, now):
		return replan
	case row.NextAt.After(now):
		return nothing
	case t.Missed == Skip && now.Sub(row.NextAt) > grace && !known.recent(tick):
		return replan
	}
	return start
}

// recent reports whether this instance found the row, with nothing to do, shortly before the
// present poll. If the planned time lies far back all the same, the clock was set forward,
// and nothing was missed.
func (s seen) recent(tick time.Time) bool {
	return !s.last.IsZero() && tick.Sub(s.last) <= grace
}

// dead reports whether the instance that runs the task is dead: it has not renewed the row
// for the lease's time, by the monotonic clock of this instance, and the row has expired by
// the database's clock. A row that expires later than a live instance writes it was written
// before the clock was set back.
func (r Row) dead(watched time.Duration, now time.Time, ttl time.Duration) bool {
	if watched < ttl {
		return false
	}
	return r.ExpiresAt == nil || !r.ExpiresAt.After(now) || r.ExpiresAt.After(now.Add(ttl))
}

// begin returns the planned time of the run that starts now, and the time of the run after it.
// A run that somebody asked for before its time leaves the plan of a daily task as it is.
func (t Task) begin(row Row, now time.Time) (slot *time.Time, next time.Time) {
	early := row.NextAt.After(now)
	at := row.NextAt
	if early {
		at = now
	}
	at = t.Schedule.latest(at, now)
	switch {
	case t.Schedule.zone == nil:
		return &at, t.Schedule.Next(now)
	case early:
		return row.Slot, row.NextAt
	default:
		return &at, t.Schedule.Next(at)
	}
}

// replanned returns a new plan for a task that is not running. watched is the time for which
// this instance has found the row unchanged.
func (t Task) replanned(now time.Time, watched time.Duration) time.Time {
	if t.Schedule.zone == nil {
		return t.Schedule.Next(now).Add(-min(watched, t.Schedule.every))
	}
	return t.Schedule.Next(now)
}

// after returns the time of the run after one that ends now. row is the row during the run.
func (t Task) after(row Row, outcome string, now time.Time) time.Time {
	switch {
	case outcome == Lost && t.Missed == Once && row.Failures < maxRetries:
		if row.Slot != nil && row.Slot.Before(now) {
			return *row.Slot
		}
		return now
	case t.Schedule.zone == nil:
		return t.Schedule.Next(now)
	default:
		return row.NextAt // planned at the start of the run
	}
}
