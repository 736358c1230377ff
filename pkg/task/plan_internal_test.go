package task

import (
	"math/rand/v2"
	"testing"
	"time"
)

// world simulates one task and one instance that polls at intervals of pace. at is the real time,
// which is also the instance's monotonic clock; step is the error of the database's clock.
type world struct {
	task  Task
	row   Row
	known seen
	at    time.Time
	step  time.Duration
	pace  time.Duration

	slots map[time.Time]int // runs by planned time
	runs  []time.Time       // real times of the runs
}

func newWorld(s Schedule, missed Missed, at time.Time) *world {
	w := &world{task: Task{Name: "x", Schedule: s, Missed: missed}, at: at, pace: time.Second, slots: map[time.Time]int{}}
	if s.zone != nil {
		w.pace = 15 * time.Second
	}
	w.row = Row{Name: "x", NextAt: s.Next(at)}
	return w
}

// poll does what Runner.poll does. Runs end at once.
func (w *world) poll() {
	now := w.at.Add(w.step)
	if w.known.since.IsZero() || w.known.beat != w.row.Beat {
		w.known = seen{beat: w.row.Beat, since: w.at}
	}
	switch w.task.decide(w.row, w.known, now, w.at, DefaultTTL) {
	case start:
		slot, next := w.task.begin(w.row, now)
		w.row.Slot, w.row.NextAt, w.row.RequestedAt = slot, next, nil
		w.row.NextAt = w.task.after(w.row, Succeeded, now)
		w.row.Beat++
		w.slots[*slot]++
		w.runs = append(w.runs, w.at)
	case replan:
		w.row.NextAt = w.task.replanned(now, w.at.Sub(w.known.since))
		w.row.Beat++
	case bury, nothing:
	}
	w.known.last = w.at
}

// pass lets time pass, with polls.
func (w *world) pass(d time.Duration) {
	for end := w.at.Add(d); w.at.Before(end); w.at = w.at.Add(w.pace) {
		w.poll()
	}
}

// restart replaces the instance after a time without one.
func (w *world) restart(away time.Duration) {
	w.at = w.at.Add(away)
	w.known = seen{}
}

func daily(t *testing.T, at string) Schedule {
	t.Helper()
	s, err := Daily(at, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var noon = time.Date(2026, 5, 10, 12, 0, 0, 0, time.UTC)

// Whatever the database's clock does, and however often the instance restarts, a task of Every
// runs again within twice its interval, and never sooner than its interval unless the clock
// was set forward.
func TestEveryIsNotStalledByStepsOfTheClock(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 1))
		every := []time.Duration{20 * time.Second, 5 * time.Minute, time.Hour}[seed%3]
		w := newWorld(Every(every), Missed(seed%2), noon)
		for range 12 {
			w.pass(time.Duration(random.Int64N(int64(2 * every))))
			w.step += []time.Duration{time.Hour, -time.Hour, time.Minute, -time.Minute, 0}[random.IntN(5)]
		}
		w.pass(3 * every)
		last := noon
		for _, at := range append(w.runs, w.at) {
			if gap := at.Sub(last); gap > 2*every+5*time.Second {
				t.Errorf("seed %d: %s passed without a run of a task of every %s", seed, gap, every)
			}
			last = at
		}
	}
}

// A task of Every that is watched is on time after the clock was set back.
func TestEveryIsOnTimeAfterClockWasSetBack(t *testing.T) {
	t.Parallel()
	w := newWorld(Every(10*time.Minute), Once, noon)
	w.pass(4 * time.Minute)
	w.step = -time.Hour
	w.pass(6*time.Minute + 3*time.Second)
	if len(w.runs) != 1 {
		t.Errorf("%d runs in ten minutes, want 1", len(w.runs))
	}
}

// Steps of the clock by an hour, also several, neither repeat a planned time of a daily task
// nor skip one.
func TestDailyIsRunOnceDespiteStepsOfTheClock(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 2))
		w := newWorld(daily(t, "03:00"), Missed(seed%2), noon)
		for range 8 {
			w.pass(time.Duration(random.Int64N(int64(9 * time.Hour))))
			w.step = []time.Duration{time.Hour, -time.Hour, 0}[random.IntN(3)]
		}
		w.step = 0
		w.pass(30 * time.Hour)
		for slot, n := range w.slots {
			if n != 1 {
				t.Errorf("seed %d: the run of %s started %d times", seed, slot, n)
			}
		}
		for day := noon.Truncate(24 * time.Hour).Add(27 * time.Hour); day.Before(w.at.Add(-time.Hour)); day = day.Add(24 * time.Hour) {
			if w.slots[day] != 1 {
				t.Errorf("seed %d: the run of %s started %d times", seed, day, w.slots[day])
			}
		}
	}
}

// A daily task fires although its instance restarts every hour, or all the time.
func TestDailyFiresDespiteRestarts(t *testing.T) {
	t.Parallel()
	for _, missed := range []Missed{Skip, Once} {
		for _, life := range []time.Duration{time.Hour, time.Minute} {
			w := newWorld(daily(t, "03:00"), missed, noon)
			for w.at.Before(noon.Add(72 * time.Hour)) {
				w.pass(life)
				w.restart(5 * time.Second)
			}
			if len(w.runs) != 3 {
				t.Errorf("missed %d, restarts after %s: %d runs in three days, want 3", missed, life, len(w.runs))
			}
		}
	}
}

// A task whose time does not exist, or exists twice, at a change of the clocks runs once on each
// day, also with restarts every hour.
func TestDailyRunsOncePerDayAcrossChangesOfClocks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone, at string
		day      time.Time // of the change
	}{
		{"Europe/Berlin", "02:30", time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC)},
		{"Europe/Berlin", "02:30", time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC)},
		{"America/New_York", "02:30", time.Date(2026, 3, 8, 0, 0, 0, 0, time.UTC)},
		{"America/New_York", "01:30", time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Daily(c.at, zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, missed := range []Missed{Skip, Once} {
			w := newWorld(s, missed, c.day.AddDate(0, 0, -1))
			for w.at.Before(c.day.AddDate(0, 0, 3)) {
				w.pass(time.Hour)
				w.restart(5 * time.Second)
			}
			days := map[string]int{}
			for _, at := range w.runs {
				days[at.In(zone).Format(time.DateOnly)]++
			}
			for day := range 4 {
				if date := c.day.AddDate(0, 0, day-1).Format(time.DateOnly); days[date] != 1 {
					t.Errorf("%s in %s ran %d times on %s", c.at, c.zone, days[date], date)
				}
			}
		}
	}
}

// What was missed while no instance ran is made up once, or not at all.
func TestMissedRuns(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		schedule Schedule
		missed   Missed
		away     time.Duration
		want     int // runs in the minute after
		slot     string
	}{
		"daily, once":              {daily(t, "03:00"), Once, 20 * time.Hour, 1, "2026-05-11T03:00:00Z"},
		"daily, once, five missed": {daily(t, "03:00"), Once, 5 * 24 * time.Hour, 1, "2026-05-15T03:00:00Z"},
		"daily, once, a year":      {daily(t, "03:00"), Once, 365 * 24 * time.Hour, 1, "2027-05-10T03:00:00Z"},
		"daily, skip":              {daily(t, "03:00"), Skip, 20 * time.Hour, 0, ""},
		"daily, skip, just late":   {daily(t, "03:00"), Skip, 15*time.Hour + 40*time.Second, 1, "2026-05-11T03:00:00Z"},
		"every, once":              {Every(time.Hour), Once, 20 * time.Hour, 1, "2026-05-10T13:00:00Z"},
		"every, skip":              {Every(time.Hour), Skip, 20 * time.Hour, 0, ""},
	} {
		w := newWorld(c.schedule, c.missed, noon)
		w.restart(c.away)
		w.pass(time.Minute)
		if len(w.runs) != c.want {
			t.Errorf("%s: %d runs, want %d", name, len(w.runs), c.want)
		}
		if c.slot != "" && w.row.Slot != nil && w.row.Slot.Format(time.RFC3339) != c.slot {
			t.Errorf("%s: ran for %s, want %s", name, w.row.Slot, c.slot)
		}
		if next := w.row.NextAt; !next.After(w.at) || next.Sub(w.at) > 25*time.Hour {
			t.Errorf("%s: next is %s at %s", name, next, w.at)
		}
	}
}

// A wrong clock, days ahead, stalls a daily task no longer than until its next planned time.
func TestDailyRecoversFromClockDaysAhead(t *testing.T) {
	t.Parallel()
	w := newWorld(daily(t, "03:00"), Once, noon)
	w.step = 30 * 24 * time.Hour
	w.pass(time.Minute)
	if len(w.runs) != 1 {
		t.Fatalf("%d runs, want 1", len(w.runs))
	}
	w.step = 0
	w.pass(16 * time.Hour)
	if len(w.runs) != 2 {
		t.Errorf("%d runs, want the one of the next morning", len(w.runs))
	}
}

func TestRequestKeepsPlanOfDailyTask(t *testing.T) {
	t.Parallel()
	w := newWorld(daily(t, "03:00"), Skip, noon)
	planned := w.row.NextAt
	w.row.Slot = &noon
	w.row.RequestedAt = &w.at
	w.pass(time.Minute)
	if len(w.runs) != 1 || !w.row.NextAt.Equal(planned) {
		t.Errorf("%d runs, next %s, want 1 and %s", len(w.runs), w.row.NextAt, planned)
	}
}

// Another instance takes over only from one that was silent for the lease's time, and whose
// lease has expired by the database's clock or cannot be of the present.
func TestDeadOwner(t *testing.T) {
	t.Parallel()
	const ttl = 6 * time.Second
	for name, c := range map[string]struct {
		watched, expires time.Duration
		want             bool
	}{
		"expired, just found":      {0, -time.Hour, false},
		"expired, silent briefly":  {ttl - time.Second, -time.Hour, false},
		"expired and silent":       {ttl, -time.Second, true},
		"silent, not expired":      {ttl, time.Second, false},
		"silent, an hour ahead":    {ttl, time.Hour, true},
		"an hour ahead, and fresh": {time.Second, time.Hour, false},
	} {
		expires := noon.Add(c.expires)
		if got := (Row{Owner: "other", ExpiresAt: &expires}).dead(c.watched, noon, ttl); got != c.want {
			t.Errorf("%s: dead is %t", name, got)
		}
	}
}
