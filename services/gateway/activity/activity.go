package activity

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"gorm.io/gorm"
)

// Config configures a Service. DB, Log, Sales and Caller are required.
type Config struct {
	DB    *gorm.DB // the gateway's own, migrated
	Log   *slog.Logger
	Sales Sales
	// Caller returns the caller of a request that passed authentication.
	Caller func(*http.Request) Caller
	// StillValid reports whether the credentials of a request still identify the same
	// caller. It is called at each heartbeat; false ends the stream. nil: always true.
	StillValid func(*http.Request) bool
	// Lags returns the lags of the readers of all services; nil: lags are not sampled.
	Lags func(context.Context) []Lag
	// Streams names the streams that Consumers follow.
	Streams []string

	Keep                time.Duration // retention of activity; 0: unlimited
	Heartbeat           time.Duration // interval of heartbeats; 15 s where 0
	WriteTimeout        time.Duration // for one write to a client; 10 s where 0
	StallTimeout        time.Duration // how long a write may hang while more than MaxWaiting activities wait; 1 s where 0
	MaxWaiting          int           // 256 where 0
	Poll                time.Duration // interval of polls for activity that other instances record; 100 ms where 0
	RingSize            int           // activities in memory; 4096 where 0
	MaxStreams          int           // 10,000 where 0
	MaxStreamsPerCaller int           // 20 where 0
	LagInterval         time.Duration // interval of samples of Lags; 10 s where 0
}

// Service records activity and serves it. Its methods are safe for concurrent use.
type Service struct {
	cfg     Config
	store   *store
	hub     *hub
	tail    *tail
	pages   *pages
	limiter *limiter

	drain   sync.Once
	drained chan struct{}
}

// New creates a Service. It starts nothing.
func New(cfg Config) (*Service, error) {
	if cfg.DB == nil || cfg.Log == nil || cfg.Sales == nil || cfg.Caller == nil {
		return nil, errors.New("activity: Config needs DB, Log, Sales and Caller")
	}
	cfg.setDefaults()
	rows, h := &store{db: cfg.DB}, newHub(cfg)
	behind, err := newPages(rows)
	if err != nil {
		return nil, err
	}
	return &Service{
		cfg: cfg, store: rows, hub: h, limiter: newLimiter(cfg.MaxStreams, cfg.MaxStreamsPerCaller),
		tail:  &tail{store: rows, hub: h, log: cfg.Log, poll: cfg.Poll, wakeup: make(chan struct{}, 1)},
		pages: behind, drained: make(chan struct{}),
	}, nil
}

func (c *Config) setDefaults() {
	if c.StillValid == nil {
		c.StillValid = func(*http.Request) bool { return true }
	}
	setDefault(&c.Heartbeat, 15*time.Second)
	setDefault(&c.WriteTimeout, 10*time.Second)
	setDefault(&c.StallTimeout, time.Second)
	setDefault(&c.MaxWaiting, 256)
	setDefault(&c.Poll, 100*time.Millisecond)
	setDefault(&c.RingSize, 4096)
	setDefault(&c.MaxStreams, 10_000)
	setDefault(&c.MaxStreamsPerCaller, 20)
	setDefault(&c.LagInterval, 10*time.Second)
}

// setDefault sets value to otherwise where value is zero.
func setDefault[T comparable](value *T, otherwise T) {
	var none T
	if *value == none {
		*value = otherwise
	}
}

// Run follows the recorded activity for the streams of this instance. It returns nil
// when ctx ends, and the streams end with it. Every instance runs it, not only the one
// that records.
func (l *Service) Run(ctx context.Context) error {
	defer l.Drain()
	l.tail.run(ctx)
	return nil
}

// Drain ends the streams and refuses new ones, so that a server that waits for its
// requests can stop. Calling it again does nothing.
func (l *Service) Drain() { l.drain.Do(func() { close(l.drained) }) }

// Open returns the number of open streams.
func (l *Service) Open() int { return l.hub.open() }
