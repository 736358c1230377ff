package task

import (
	"strings"
	"testing"
	"time"
)

// A task needs a person if it keeps failing, if no instance starts it, or if it does not end.
func TestTrouble(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) *time.Time { at := now.Add(-d); return &at }
	for name, c := range map[string]struct {
		row  Row
		want string // "" for no trouble
	}{
		"planned":               {Row{NextAt: *ago(-time.Hour)}, ""},
		"due for a moment":      {Row{NextAt: *ago(time.Minute)}, ""},
		"overdue":               {Row{NextAt: *ago(3 * time.Minute)}, "no instance starts it"},
		"failed twice":          {Row{NextAt: *ago(-time.Hour), Failures: 2, Error: "no"}, ""},
		"failed three times":    {Row{NextAt: *ago(-time.Hour), Failures: 3, Error: "no"}, "last 3 runs: no"},
		"runs within its limit": {Row{NextAt: *ago(time.Hour), Owner: "i", StartedAt: ago(6 * time.Minute)}, ""},
		"does not end":          {Row{NextAt: *ago(time.Hour), Owner: "i", StartedAt: ago(8 * time.Minute)}, "longer than its limit of 5m0s"},
	} {
		err := Task{Name: "x", Limit: 5 * time.Minute}.trouble(c.row, now)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("a task that is %s: %v, want %q", name, err, c.want)
		}
	}
}
