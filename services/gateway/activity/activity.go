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
	DB     *gorm.DB // the gateway's own, migrated
	Log    *slog.Logger
	Orders Orders // sales
	// Caller says who asks. Who must not ask at all was refused before.
	Caller func(*http.Request) Caller
	// Still is asked at each heartbeat whether the request would still be let in as
	// the same caller; false ends the stream. nil: always.
	Still func(*http.Request) bool
	// Lags asks how far behind the shop's readers are; nil: no chart of it.
	Lags func(context.Context) []Lag

	Keep        time.Duration // of notes; 0: for ever
	Heartbeat   time.Duration // between signs of life; 15 s where 0
	WriteWithin time.Duration // for one write to a client; 10 s where 0
	Patience    time.Duration // with one that does not read while MayWait notes wait for it; 1 s where 0
	MayWait     int           // 256 where 0
	Poll        time.Duration // for notes that another instance takes; 100 ms where 0
	Ring        int           // notes in memory; 4096 where 0
	Streams     int           // open at the most; 10,000 where 0
	EachStreams int           // of one caller; 20 where 0
	LagEvery    time.Duration // between samples of Lags; 10 s where 0
}

// Live is the gateway's notes and those who watch them. Its methods are safe for
// concurrent use.
type Live struct {
	cfg   Config
	store *store
	hub   *hub
	tail  *tail
	pages *pages
	door  *door

	drain   sync.Once
	drained chan struct{}
}

// New puts the parts together. It starts nothing.
func New(cfg Config) (*Live, error) {
	if cfg.DB == nil || cfg.Log == nil || cfg.Orders == nil || cfg.Caller == nil {
		return nil, errors.New("live: DB, Log, Orders and Caller are needed")
	}
	cfg.fill()
	rows, h := &store{db: cfg.DB}, newHub(cfg)
	behind, err := newPages(rows)
	if err != nil {
		return nil, err
	}
	return &Live{
		cfg: cfg, store: rows, hub: h, door: newDoor(cfg.Streams, cfg.EachStreams),
		tail:  &tail{store: rows, hub: h, log: cfg.Log, poll: cfg.Poll, news: make(chan struct{}, 1)},
		pages: behind, drained: make(chan struct{}),
	}, nil
}

func (c *Config) fill() {
	if c.Still == nil {
		c.Still = func(*http.Request) bool { return true }
	}
	orElse(&c.Heartbeat, 15*time.Second)
	orElse(&c.WriteWithin, 10*time.Second)
	orElse(&c.Patience, time.Second)
	orElse(&c.MayWait, 256)
	orElse(&c.Poll, 100*time.Millisecond)
	orElse(&c.Ring, 4096)
	orElse(&c.Streams, 10_000)
	orElse(&c.EachStreams, 20)
	orElse(&c.LagEvery, 10*time.Second)
}

// orElse is the default of a value that was not given.
func orElse[T comparable](value *T, otherwise T) {
	var none T
	if *value == none {
		*value = otherwise
	}
}

// Run follows the notes for the streams of this instance until ctx ends; then it
// returns nil, and the streams end. Every instance runs it, whoever takes the notes.
func (l *Live) Run(ctx context.Context) error {
	defer l.Drain()
	l.tail.run(ctx)
	return nil
}

// Drain ends the streams and opens no more, so that a server that waits for its
// requests to end can stop. A second Drain does nothing.
func (l *Live) Drain() { l.drain.Do(func() { close(l.drained) }) }

// Open is how many streams are open.
func (l *Live) Open() int { return l.hub.open() }
