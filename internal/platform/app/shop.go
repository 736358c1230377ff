package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"quadrille/internal/platform/ready"
	"quadrille/pkg/bus"
	"quadrille/pkg/bus/rabbitmq"
	"quadrille/pkg/bus/sqlitelog"
	"quadrille/pkg/outbox"
)

// Shop runs services in this process, with the log that they share.
type Shop struct {
	cfg         Config
	log         *slog.Logger
	connections *Connections
	bus         bus.Bus
	instances   []*instance
	relays      sync.Map // by stream, the *outbox.Relay of this process
	// holder identifies this process as a holder of leases.
	holder string
	at     func(point string) // crashes the process at this point if QUADRILLE_CRASH_AT says so
	fatal  chan error         // gets the error of a loop that ended unexpectedly; of size 1
}

// Start runs services until Stop. It returns once each of them can handle requests. While a
// database is unavailable it retries and logs each failure, until ctx ends. ctx limits the
// start only.
func Start(ctx context.Context, cfg Config, log *slog.Logger, services []Service) (*Shop, error) {
	if cfg.StuckAfter == 0 {
		cfg.StuckAfter = ready.DefaultFailAfter
	}
	if cfg.StopWithin == 0 {
		cfg.StopWithin = 9 * time.Second
	}
	s := &Shop{cfg: cfg, log: log, connections: NewConnections(cfg, log), fatal: make(chan error, 1), holder: holderName()}
	err := cfg.checkStarted(services)
	if err != nil {
		return nil, err
	}
	if s.at, err = crashAt(cfg.CrashAt); err != nil {
		return nil, err
	}
	s.connections.serve(cfg.URL, services)
	if err := s.start(ctx, services); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Shop) start(ctx context.Context, services []Service) (err error) {
	listeners, err := s.cfg.listenAll(ctx, services)
	if err != nil {
		return err
	}
	for n, service := range services {
		started, err := serveOn(listeners[n], s, service)
		if err != nil {
			return err
		}
		s.instances = append(s.instances, started)
	}
	s.warnShortToken()
	if s.bus, err = s.connections.OpenBus(); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, i := range s.instances {
		group.Go(func() error { return i.start(ctx) })
	}
	return group.Wait()
}

// warnShortToken logs a warning if other machines could guess INTERNAL_TOKEN by trying.
func (s *Shop) warnShortToken() {
	for _, i := range s.instances {
		if n := len(s.cfg.Token); !isLoopback(i.address) && n < shortToken {
			s.log.Warn("INTERNAL_TOKEN is short enough to be guessed: set a longer one, such as openssl rand -hex 24 makes", "characters", n, "recommended", shortToken)
			return
		}
	}
}

// holderName returns a name for this process as a holder of leases. It has the host and the
// process ID for people, and a unique ID because hosts and process IDs are reused.
func holderName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "?"
	}
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), uuid.NewString())
}

// verifySoon makes the relay of a stream verify the history, if the relay runs in this process.
func (s *Shop) verifySoon(stream string) {
	if r, here := s.relays.Load(stream); here {
		r.(*outbox.Relay).VerifySoon() //nolint:forcetypeassert // nothing else is stored
	}
}

// Fatal receives an error if a loop ends although the shop was not stopped.
func (s *Shop) Fatal() <-chan error { return s.fatal }

// URL returns the base URL of a service of this shop, or of one that it calls.
func (s *Shop) URL(service string) string { return s.cfg.URL(service) }

// Listening returns the address that a service of this shop listens on, or nil if this shop
// does not run the service. URL may lead elsewhere.
func (s *Shop) Listening(service string) net.Addr {
	for _, i := range s.instances {
		if i.service.Name == service {
			return i.address
		}
	}
	return nil
}

// Stop stops accepting requests, finishes or rolls back batches, and closes all connections.
// A second Stop does nothing.
func (s *Shop) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.StopWithin)
	defer cancel()
	group := new(errgroup.Group)
	for _, i := range s.instances {
		group.Go(func() error { return i.stop(ctx) })
	}
	err := group.Wait()
	s.instances = nil
	if s.bus != nil {
		err = errors.Join(err, s.bus.Close())
	}
	return errors.Join(err, s.connections.Close())
}

// fail reports err on Fatal, if nothing was reported yet.
func (s *Shop) fail(err error) {
	select {
	case s.fatal <- err:
	default:
	}
}

// OpenBus opens the log: RabbitMQ if a broker is configured, else the embedded log.
func (c *Connections) OpenBus() (bus.Bus, error) {
	cfg, log := c.cfg, c.log
	if len(cfg.Brokers()) > 0 {
		publish, err := c.session(publishing)
		if err != nil {
			return nil, err
		}
		read, err := c.session(reading)
		if err != nil {
			return nil, err
		}
		return rabbitmq.New(rabbitmq.Config{
			Publish: publish, Read: read, Prefix: cfg.BusPrefix, Log: log,
			MaxAge: cfg.HistoryMaxAge, MaxBytes: cfg.HistoryMaxSize, Prefetch: cfg.prefetch(),
		})
	}
	b, err := sqlitelog.Open(sqlitelog.Config{Path: filepath.Join(cfg.Data, "log.db"), Log: log, MaxAge: cfg.historyMaxAge, MaxBytes: cfg.HistoryMaxSize})
	if err != nil {
		return nil, fmt.Errorf("open embedded log in %s: %w", cfg.Data, err)
	}
	return b, nil
}
