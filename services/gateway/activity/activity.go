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

// Config says what the notes are taken of, and who is shown them.
type Config struct {
	DB    *gorm.DB // the gateway's own, migrated
	Log   *slog.Logger
	Sales Sales // sales
	// Caller says who asks. Who must not ask at all was refused before.
	Caller func(*http.Request) Caller
	// StillValid is asked at each heartbeat whether the request would still be let in as
	// the same caller; false ends the stream. nil: always.
	StillValid func(*http.Request) bool
	// Lags asks how far behind the shop's readers are; nil: no chart of it.
	Lags func(context.Context) []Lag

	Keep                time.Duration // of notes; 0: for ever
	Heartbeat           time.Duration // between signs of life; 15 s where 0
	WriteTimeout        time.Duration // for one write to a client; 10 s where 0
	StallTimeout        time.Duration // with one that does not read while MayWait notes wait for it; 1 s where 0
	MaxWaiting          int           // 256 where 0
	Poll                time.Duration // for notes that another instance takes; 100 ms where 0
	RingSize            int           // notes in memory; 4096 where 0
	MaxStreams          int           // open at the most; 10,000 where 0
	MaxStreamsPerCaller int           // of one caller; 20 where 0
	LagInterval         time.Duration // between samples of Lags; 10 s where 0
}

// Service is the gateway's notes and those who watch them. Its methods are safe for
// concurrent use.
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

// New puts the parts together. It starts nothing.
func New(cfg Config) (*Service, error) {
	if cfg.DB == nil || cfg.Log == nil || cfg.Sales == nil || cfg.Caller == nil {
		return nil, errors.New("live: DB, Log, Orders and Caller are needed")
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

// setDefault is the default of a value that was not given.
func setDefault[T comparable](value *T, otherwise T) {
	var none T
	if *value == none {
		*value = otherwise
	}
}

// Run follows the notes for the streams of this instance until ctx ends; then it
// returns nil, and the streams end. Every instance runs it, whoever takes the notes.
func (l *Service) Run(ctx context.Context) error {
	defer l.Drain()
	l.tail.run(ctx)
	return nil
}

// Drain ends the streams and opens no more, so that a server that waits for its
// requests to end can stop. A second Drain does nothing.
func (l *Service) Drain() { l.drain.Do(func() { close(l.drained) }) }

// Open is how many streams are open.
func (l *Service) Open() int { return l.hub.open() }
