package ready

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// settleAfter is the number of consecutive good probes after which a failed check passes
// again.
const settleAfter = 2

// entry is a check with the results of its probes.
type entry struct {
	check Check
	now   func() time.Time
	log   *slog.Logger

	mu      sync.Mutex
	began   time.Time // of the probe that runs; zero between probes
	last    Finding   // of the last probe, or of the last that found trouble while it settles
	trouble time.Time // when the trouble began; zero while all is well
	well    int       // probes in a row that found all well
	once    bool      // it was well at some time
	failed  bool      // as the log was told
}

// probe runs the check's probe once and records the finding.
func (e *entry) probe(ctx context.Context) {
	e.mu.Lock()
	e.began = e.now()
	e.mu.Unlock()
	looking, cancel := context.WithTimeout(ctx, e.check.Within)
	found := e.check.Probe(looking)
	cancel()
	if ctx.Err() != nil {
		return // the service stops: what fails now tells nothing
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.keep(found)
	e.began = time.Time{}
	e.tell()
}

// keep records a finding. The caller holds e.mu.
func (e *entry) keep(found Finding) {
	switch {
	case found.Err != nil:
		e.well = 0
		if e.trouble.IsZero() {
			e.trouble = e.began
		}
		if !found.Since.IsZero() {
			e.trouble = found.Since
		}
		e.last = found
		return
	case e.well+1 < settleAfter && e.failed:
		e.well++
		return // it fails until it is well twice in a row
	}
	e.well++
	e.last, e.trouble, e.once = found, time.Time{}, true
}

// tell logs when the check starts to fail or passes again. The caller holds e.mu.
func (e *entry) tell() {
	state := e.state(e.last, e.trouble)
	failed := state == Failing || state == Warning
	switch {
	case failed && !e.failed:
		e.log.Warn("readiness check fails", "check", e.check.Name, "error", e.last.Err, "since", e.trouble.UTC())
	case !failed && e.failed:
		e.log.Info("readiness check passes again", "check", e.check.Name)
	}
	e.failed = failed
}

// state returns the state of a check that has been in trouble since that time. The caller
// holds e.mu.
func (e *entry) state(found Finding, trouble time.Time) State {
	failAfter := e.check.FailAfter
	if found.FailAfter != 0 {
		failAfter = found.FailAfter
	}
	if e.check.Needed && !e.once {
		failAfter = 0
	}
	switch {
	case trouble.IsZero():
		return OK
	case e.now().Sub(trouble) < failAfter:
		return Suspect
	case e.check.Advisory:
		return Warning
	default:
		return Failing
	}
}

// result returns the check's current result, also while its probe hangs.
func (e *entry) result() Result {
	e.mu.Lock()
	defer e.mu.Unlock()
	found, trouble := e.last, e.trouble
	if !e.began.IsZero() && e.now().Sub(e.began) > e.check.Within+hangsAfter {
		found.Err = fmt.Errorf("no answer for %s", e.now().Sub(e.began).Round(time.Second))
		if trouble.IsZero() {
			trouble = e.began
		}
	}
	if !e.once && trouble.IsZero() {
		return Result{Name: e.check.Name, OK: e.check.Advisory, State: Unknown, Detail: "not probed yet"}
	}
	r := Result{Name: e.check.Name, State: e.state(found, trouble), Detail: found.Detail}
	r.OK = r.State != Failing
	if r.State == OK {
		return r
	}
	since := trouble.UTC().Truncate(time.Second)
	r.Since, r.Detail, r.Remedy = &since, found.Err.Error(), e.check.Remedy
	if found.Remedy != "" {
		r.Remedy = found.Remedy
	}
	return r
}

// hangsAfter is added to Within before a probe counts as hanging, for busy machines.
const hangsAfter = time.Second
