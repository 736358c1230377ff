package task_test

import (
	"testing"
	"time"

	"quadrille/pkg/task"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// Daily tasks run once a day at every change of the clocks.
func TestDailyRunsOnceAtChangesOfClocks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		zone, at string
		from     string
		want     []string // in UTC
	}{
		"Berlin, skipped hour":            {"Europe/Berlin", "02:30", "2026-03-28T00:00:00Z", []string{"2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
		"Berlin, first minute of the gap": {"Europe/Berlin", "02:00", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"}},
		"Berlin, end of the gap":          {"Europe/Berlin", "03:00", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"}},
		"Berlin, doubled hour":            {"Europe/Berlin", "02:30", "2026-10-24T12:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		"Berlin, between both":            {"Europe/Berlin", "02:30", "2026-10-25T01:00:00Z", []string{"2026-10-26T01:30:00Z"}},
		"Berlin, start of the doubled":    {"Europe/Berlin", "02:00", "2026-10-24T12:00:00Z", []string{"2026-10-25T00:00:00Z", "2026-10-26T01:00:00Z"}},
		"Berlin, after the doubled":       {"Europe/Berlin", "03:00", "2026-10-24T12:00:00Z", []string{"2026-10-25T02:00:00Z", "2026-10-26T02:00:00Z"}},
		"New York, skipped hour":          {"America/New_York", "02:30", "2026-03-07T12:00:00Z", []string{"2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"}},
		"New York, doubled hour":          {"America/New_York", "01:30", "2026-10-31T12:00:00Z", []string{"2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"}},
		"New York, between both":          {"America/New_York", "01:30", "2026-11-01T06:00:00Z", []string{"2026-11-02T06:30:00Z"}},
		"Lord Howe, half an hour skipped": {"Australia/Lord_Howe", "02:15", "2026-10-03T00:00:00Z", []string{"2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"}},
		"Lord Howe, half an hour doubled": {"Australia/Lord_Howe", "01:45", "2026-04-04T00:00:00Z", []string{"2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"}},
		"Sao Paulo, no midnight":          {"America/Sao_Paulo", "00:00", "2018-11-03T12:00:00Z", []string{"2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"}},
		"Sao Paulo, doubled evening":      {"America/Sao_Paulo", "23:30", "2018-02-17T12:00:00Z", []string{"2018-02-18T01:30:00Z", "2018-02-19T02:30:00Z"}},
		"UTC":                             {"UTC", "23:59", "2026-12-31T23:59:00Z", []string{"2027-01-01T23:59:00Z"}},
		"leap day":                        {"UTC", "03:30", "2028-02-28T12:00:00Z", []string{"2028-02-29T03:30:00Z", "2028-03-01T03:30:00Z"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := task.Daily(c.at, zone(t, c.zone))
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.RFC3339, c.from)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				at = s.Next(at)
				if got := at.UTC().Format(time.RFC3339); got != want {
					t.Fatalf("next is %s, want %s", got, want)
				}
			}
		})
	}
}

// In every zone and year, each day has one planned time, in order, whatever the minute.
func TestDailyHasOneTimeADay(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Tehran", "America/Santiago", "UTC"} {
		z := zone(t, name)
		for _, at := range []string{"00:00", "00:30", "01:00", "01:59", "02:00", "02:30", "03:00", "12:00", "23:30", "23:59"} {
			s, err := task.Daily(at, z)
			if err != nil {
				t.Fatal(err)
			}
			began := time.Date(2024, 1, 1, 0, 0, 0, 0, z).Add(-time.Nanosecond)
			n, last := 0, began
			for next := s.Next(began); next.Year() < 2026 || next.In(z).Year() < 2026; next = s.Next(next) {
				if gap := next.Sub(last); n > 0 && (gap < 22*time.Hour || gap > 26*time.Hour) {
					t.Errorf("%s in %s: %s follows %s", at, name, next, last)
				}
				if again := s.Next(next.Add(-time.Nanosecond)); !again.Equal(next) {
					t.Errorf("%s in %s: after %s follows %s", at, name, next.Add(-time.Nanosecond), again)
				}
				n, last = n+1, next
				if n > 800 {
					break
				}
			}
			if n != 366+365 {
				t.Errorf("%s in %s: %d runs in two years, want 731", at, name, n)
			}
		}
	}
}

func TestScheduleHasText(t *testing.T) {
	t.Parallel()
	daily, err := task.Daily("03:05", zone(t, "Europe/Berlin"))
	if err != nil {
		t.Fatal(err)
	}
	for want, s := range map[string]task.Schedule{
		"every 1h": task.Every(time.Hour), "every 24h": task.Every(24 * time.Hour), "every 1m": task.Every(time.Minute),
		"every 10m30s": task.Every(10*time.Minute + 30*time.Second), "every 20s": task.Every(20 * time.Second),
		"every 1h30m": task.Every(90 * time.Minute), "every 100ms": task.Every(100 * time.Millisecond),
		"daily at 03:05 Europe/Berlin": daily,
	} {
		if got := s.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestDailyRefusesOtherTexts(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"", "3:30", "24:00", "03:60", "03:30:00", "0330", "noon"} {
		if _, err := task.Daily(at, time.UTC); err == nil {
			t.Errorf("accepts %q", at)
		}
	}
	if _, err := task.Daily("03:30", nil); err == nil {
		t.Error("accepts no time zone")
	}
}
