package ready

import (
	"context"
	"time"
)

// Check describes one condition that a service needs for its work.
type Check struct {
	Name string
	// Probe looks once. It must not change anything, and should end with its context.
	Probe func(ctx context.Context) Finding
	Every time.Duration // between two probes; 2 s where 0
	// Within bounds one probe; 3 s where 0. A probe that takes longer, even one that
	// ignores its context, is in trouble since it began.
	Within time.Duration
	// FailAfter is the time that trouble lasts before the check fails; the registry's
	// if 0.
	FailAfter time.Duration
	// Needed makes the check fail at once until it has passed for the first time: a service
	// that has never reached its database is not ready.
	Needed bool
	// Advisory means that the check is reported but never makes the service unready.
	Advisory bool
	Remedy   string // tells a person what to do about it
}

// Finding is the result of one probe.
type Finding struct {
	Detail string // what there is to know while all is well, such as "standby; X reads"
	Err    error  // what is wrong, and where; nil while all is well
	// Since is when the trouble began; where zero, when a probe found it first.
	Since time.Time
	// FailAfter, where not 0, takes the place of the check's.
	FailAfter time.Duration
	// Remedy, where not empty, takes the place of the check's.
	Remedy string
}

// State is the state of a check.
type State string

// The states of a check.
const (
	OK      State = "ok"
	Suspect State = "suspect" // in trouble, but not for long enough to fail
	Failing State = "failing"
	Warning State = "warning" // of an advisory check: in trouble for long enough
	Unknown State = "unknown" // not probed yet
)

// Result is the state of a check, as in the responses of /readyz and /subscriptions.
type Result struct {
	Name   string     `json:"name"`
	OK     bool       `json:"ok"` // false makes the service unready
	State  State      `json:"state"`
	Since  *time.Time `json:"since,omitempty"` // when the trouble began; absent while all is well
	Detail string     `json:"detail,omitempty"`
	Remedy string     `json:"remedy,omitempty"` // what to do; absent while all is well
}

// Ready reports whether no result makes the service unready.
func Ready(results []Result) bool {
	for _, r := range results {
		if !r.OK {
			return false
		}
	}
	return true
}

// Reason returns the trouble and its remedy in one line.
func (r Result) Reason() string {
	text := r.Name
	if r.Detail != "" {
		text += ": " + r.Detail
	}
	if r.Remedy != "" {
		text += " (" + r.Remedy + ")"
	}
	return text
}
