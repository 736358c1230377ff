package ready

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// DefaultFailAfter is the default time that trouble must last before a check fails.
const DefaultFailAfter = 20 * time.Second

// Config has the defaults for the checks of a registry.
type Config struct {
	FailAfter time.Duration // DefaultFailAfter where 0
	Log       *slog.Logger
	Now       func() time.Time // time.Now where nil; tests bring a clock of their own
}

// Registry runs checks in the background and records their results. It is safe for
// concurrent use.
type Registry struct {
	cfg     Config
	entries []*entry
	probed  chan struct{} // closed when each check was probed once
}

// New returns a registry that keeps the order of checks.
func New(cfg Config, checks ...Check) (*Registry, error) {
	if cfg.Log == nil {
		return nil, errors.New("readiness: Log is needed")
	}
	if cfg.FailAfter == 0 {
		cfg.FailAfter = DefaultFailAfter
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	r := &Registry{cfg: cfg, probed: make(chan struct{})}
	for _, c := range checks {
		if c.Name == "" || c.Probe == nil {
			return nil, errors.New("readiness: a check needs Name and Probe")
		}
		if c.Every == 0 {
			c.Every = 2 * time.Second
		}
		if c.Within == 0 {
			c.Within = 3 * time.Second
		}
		if c.FailAfter == 0 {
			c.FailAfter = cfg.FailAfter
		}
		r.entries = append(r.entries, &entry{check: c, now: cfg.Now, log: cfg.Log})
	}
	return r, nil
}

// Run probes each check at its interval until ctx ends, and returns nil. A hanging probe does
// not delay other checks.
func (r *Registry) Run(ctx context.Context) error {
	var first, running sync.WaitGroup
	first.Add(len(r.entries))
	for _, e := range r.entries {
		running.Go(func() {
			e.probe(ctx)
			first.Done()
			for ctx.Err() == nil {
				pause(ctx, e.check.Every)
				e.probe(ctx)
			}
		})
	}
	first.Wait()
	close(r.probed)
	running.Wait()
	return nil
}

// RunOnce probes each check once.
func (r *Registry) RunOnce(ctx context.Context) {
	for _, e := range r.entries {
		e.probe(ctx)
	}
}

// Results returns the result of each check. It waits only for the first probe of each, up
// to firstWithin.
func (r *Registry) Results(ctx context.Context) []Result {
	ctx, cancel := context.WithTimeout(ctx, firstWithin)
	defer cancel()
	select {
	case <-r.probed:
	case <-ctx.Done():
	}
	return r.Known()
}

// firstWithin bounds the time that Results waits for the first probes.
const firstWithin = 2 * time.Second

// Known returns the result of each check. It never waits.
func (r *Registry) Known() []Result {
	results := make([]Result, len(r.entries))
	for i, e := range r.entries {
		results[i] = e.result()
	}
	return results
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// FailAfter returns the default time that trouble lasts before a check fails.
func (r *Registry) FailAfter() time.Duration { return r.cfg.FailAfter }
