package live

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Lag is how many events a reader was behind at a moment.
type Lag struct {
	At         time.Time `json:"at"` // filled in when it is sampled
	Subscriber string    `json:"subscriber"`
	Stream     string    `json:"stream"`
	Lag        int64     `json:"lag"`
}

// lagsFor is for how long samples are kept, and the longest history of them.
const lagsFor = time.Hour

// lags is an hour of samples, in memory: each instance has its own, from its start
// on.
type lags struct {
	ask   func(context.Context) []Lag
	every time.Duration

	mu      sync.Mutex
	samples []Lag // oldest first
}

func newLags(cfg Config) *lags { return &lags{ask: cfg.Lags, every: cfg.LagEvery} }

// run samples until ctx ends.
func (s *lags) run(ctx context.Context) {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for ctx.Err() == nil {
		s.runOnce(ctx, time.Now())
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// mostLags bounds one sample: more readers than any shop has.
const mostLags = 100

// runOnce takes a sample and drops those that are too old.
func (s *lags) runOnce(ctx context.Context, at time.Time) {
	ctx, cancel := context.WithTimeout(ctx, s.every)
	defer cancel()
	found := s.ask(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	old := slices.IndexFunc(s.samples, func(l Lag) bool { return at.Sub(l.At) < lagsFor })
	if old < 0 {
		old = len(s.samples)
	}
	s.samples = slices.Delete(s.samples, 0, old)
	for _, l := range found[:min(len(found), mostLags)] {
		l.At = at.UTC().Truncate(time.Second)
		s.samples = append(s.samples, l)
	}
}

// since is the samples taken from then on.
func (s *lags) since(from time.Time) []Lag {
	s.mu.Lock()
	defer s.mu.Unlock()
	recent := []Lag{}
	for _, l := range s.samples {
		if !l.At.Before(from) {
			recent = append(recent, l)
		}
	}
	return recent
}
