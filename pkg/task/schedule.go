package task

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Schedule says when a task runs. Every and Daily create one.
type Schedule struct {
	every time.Duration

	hour, minute int
	zone         *time.Location // nil for Every
}

// Every returns the schedule of a task that runs again d after its last run has ended.
func Every(d time.Duration) Schedule { return Schedule{every: d} }

// Daily returns the schedule of a task that runs once a day at a wall time, such as "03:30",
// in a time zone. Where clocks are set forward past that time, the task runs at the first
// instant after the gap; where the time exists twice, it runs at the first.
func Daily(at string, zone *time.Location) (Schedule, error) {
	wall, err := time.Parse("15:04", at)
	if err != nil || len(at) != len("15:04") {
		return Schedule{}, fmt.Errorf("%q is not a time of day: write hours and minutes, such as 03:30", at)
	}
	if zone == nil {
		return Schedule{}, errors.New("a daily task needs a time zone, such as time.UTC")
	}
	return Schedule{hour: wall.Hour(), minute: wall.Minute(), zone: zone}, nil
}

// valid reports whether Every or Daily created s.
func (s Schedule) valid() bool { return s.every > 0 || s.zone != nil }

// String describes the schedule, such as "every 1h" or "daily at 03:30 Europe/Berlin".
func (s Schedule) String() string {
	if s.zone != nil {
		return fmt.Sprintf("daily at %02d:%02d %s", s.hour, s.minute, s.zone)
	}
	text := s.every.String() // such as 1h0m0s
	for _, unit := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, unit) {
			text = text[:len(text)-2]
		}
	}
	return "every " + text
}

// Next returns the first planned time after a time.
func (s Schedule) Next(after time.Time) time.Time {
	if s.zone == nil {
		return after.Add(s.every)
	}
	year, month, day := after.In(s.zone).Date()
	var next time.Time
	// A gap can move a planned time into the next day, so the days around count, too.
	for d := day - 2; d <= day+2; d++ {
		at := firstInstant(time.Date(year, month, d, s.hour, s.minute, 0, 0, s.zone), time.Date(year, month, d, s.hour, s.minute, 0, 0, time.UTC))
		if at.After(after) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// firstInstant returns the first instant of a wall time. near is one that time.Date gives for
// it, which may be any of two, or off by a gap. wall has the wall time in UTC.
func firstInstant(near, wall time.Time) time.Time {
	start, end := near.ZoneBounds()
	_, offset := near.Zone()
	switch shown := near.Add(time.Duration(offset) * time.Second).UTC(); {
	case shown.After(wall): // near is after the gap
		return start
	case shown.Before(wall): // near is before the gap
		return end
	case start.IsZero():
		return near
	}
	_, before := start.Add(-time.Second).In(near.Location()).Zone()
	if first := near.Add(time.Duration(offset-before) * time.Second); first.Before(start) {
		return first // the time exists twice
	}
	return near
}

// longestGap bounds how far a planned time can lie behind the present one: the days before
// are not counted one by one.
const longestGap = 72 * time.Hour

// latest returns the last planned time up to now, counted from a planned time.
func (s Schedule) latest(planned, now time.Time) time.Time {
	if planned.After(now) || s.zone == nil {
		return planned
	}
	if now.Sub(planned) > longestGap {
		planned = s.Next(now.Add(-longestGap))
	}
	for next := s.Next(planned); !next.After(now); next = s.Next(next) {
		planned = next
	}
	return planned
}

// tolerated is the time by which a plan may exceed the schedule, for clocks that are adjusted
// slowly.
const tolerated = time.Second

// plausible reports whether a run can have been planned for a time at the clock's present
// time or earlier. A later plan was made before the clock was set back. A daily task may be
// planned for the time after the next, because the next may have run before the clock was
// set back.
func (s Schedule) plausible(planned, now time.Time) bool {
	limit := s.Next(now).Add(tolerated)
	if s.zone != nil {
		limit = s.Next(s.Next(now))
	}
	return !planned.After(limit)
}
