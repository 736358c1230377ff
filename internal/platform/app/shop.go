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

// Shop is the services that run in this process, with the log they share.
type Shop struct {
	cfg         Config
	log         *slog.Logger
	connections *Connections
	bus         bus.Bus
	instances   []*instance
	relays      sync.Map // by stream, the *outbox.Relay of this process
	// holder names this process among those that run the same services.
	holder string
	at     func(point string) // crashes there, if it is told to
	fatal  chan error         // a part ended that never should; of size 1
}

// Start runs services until Stop. It returns once each of them is ready to
// answer; while a database cannot be reached it waits, telling the log what it
// tries, until ctx ends. ctx bounds the start only.
func Start(ctx context.Context, cfg Config, log *slog.Logger, services []Service) (*Shop, error) {
	if cfg.StuckAfter == 0 {
		cfg.StuckAfter = ready.DefaultPatience
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

// warnShortToken tells of a token that other machines can try, and soon find.
func (s *Shop) warnShortToken() {
	for _, i := range s.instances {
		if n := len(s.cfg.Token); !isLoopback(i.address) && n < shortToken {
			s.log.Warn("INTERNAL_TOKEN is short enough to be guessed: set a longer one, such as openssl rand -hex 24 makes", "characters", n, "recommended", shortToken)
			return
		}
	}
}

// holderName names this process as a holder of leases: host and process ID for people, and
// an ID that no other process has, also where these two are reused.
func holderName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "?"
	}
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), uuid.NewString())
}

// suspect has the relay of a stream, if it runs in this process, verify the history.
func (s *Shop) suspect(stream string) {
	if r, here := s.relays.Load(stream); here {
		r.(*outbox.Relay).VerifySoon() //nolint:forcetypeassert // nothing else is stored
	}
}

// Fatal tells of a part that ended although nobody stopped it.
func (s *Shop) Fatal() <-chan error { return s.fatal }

// URL returns the base URL of a service of this shop, or of one that it calls.
func (s *Shop) URL(service string) string { return s.cfg.URL(service) }

// Listening returns the address that a service of this shop listens on; nil where it has none
// of that name. URL may lead elsewhere.
func (s *Shop) Listening(service string) net.Addr {
	for _, i := range s.instances {
		if i.service.Name == service {
			return i.address
		}
	}
	return nil
}

// Stop ends the services: no more requests, batches finished or rolled back,
// connections closed. A second Stop does nothing.
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

// OpenBus opens the log: RabbitMQ where there is a broker, the embedded one
// otherwise.
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
