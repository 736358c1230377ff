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
	"quadrille/pkg/outbox"
)

// Shop is the services that run in this process, with the log they share.
type Shop struct {
	cfg    Config
	log    *slog.Logger
	links  *Links
	bus    bus.Bus
	units  []*unit
	relays sync.Map // by stream, the *outbox.Relay of this process
	// instance is this process among those that run the same services.
	instance string
	at       func(point string) // crashes there, if it is told to
	fatal    chan error         // a part ended that never should; of size 1
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
	s := &Shop{cfg: cfg, log: log, links: NewLinks(cfg, log), fatal: make(chan error, 1), instance: instance()}
	var err error
	if s.at, err = crashAt(cfg.CrashAt); err != nil {
		return nil, err
	}
	s.links.serve(cfg.URL, services)
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
	for i, service := range services {
		u, err := serveOn(listeners[i], s, service)
		if err != nil {
			return err
		}
		s.units = append(s.units, u)
	}
	s.warnShortToken()
	if s.bus, err = s.links.OpenBus(); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, u := range s.units {
		group.Go(func() error { return u.start(ctx) })
	}
	return group.Wait()
}

// warnShortToken tells of a token that other machines can try, and soon find.
func (s *Shop) warnShortToken() {
	for _, u := range s.units {
		if n := len(s.cfg.Token); !isLoopback(u.address) && n < shortToken {
			s.log.Warn("INTERNAL_TOKEN is short enough to be guessed: set a longer one, such as openssl rand -hex 24 makes", "characters", n, "recommended", shortToken)
			return
		}
	}
}

// instance names this process: where it runs, for people, and an ID that no other
// has, whatever is reused.
func instance() string {
	host, err := os.Hostname()
	if err != nil {
		host = "?"
	}
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), uuid.NewString())
}

// suspect has the relay of a stream, if it runs in this process, verify the history.
func (s *Shop) suspect(stream string) {
	if r, here := s.relays.Load(stream); here {
		r.(*outbox.Relay).Suspect() //nolint:forcetypeassert // nothing else is stored
	}
}

// Fatal tells of a part that ended although nobody stopped it.
func (s *Shop) Fatal() <-chan error { return s.fatal }

// URL returns the base URL of a service of this shop, or of one that it calls.
func (s *Shop) URL(service string) string { return s.cfg.URL(service) }

// Listening returns the address that a service of this shop listens on; nil where it has none
// of that name. URL may lead elsewhere.
func (s *Shop) Listening(service string) net.Addr {
	for _, u := range s.units {
		if u.service.Name == service {
			return u.address
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
	for _, u := range s.units {
		group.Go(func() error { return u.stop(ctx) })
	}
	err := group.Wait()
	s.units = nil
	if s.bus != nil {
		err = errors.Join(err, s.bus.Close())
	}
	return errors.Join(err, s.links.Close())
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
func (l *Links) OpenBus() (bus.Bus, error) {
	cfg, log := l.cfg, l.log
	if len(cfg.Brokers()) > 0 {
		publish, err := l.session(publishing)
		if err != nil {
			return nil, err
		}
		read, err := l.session(reading)
		if err != nil {
			return nil, err
		}
		return bus.NewRabbitMQ(bus.RabbitMQConfig{
			Publish: publish, Read: read, Prefix: cfg.BusPrefix, Log: log,
			MaxAge: cfg.HistoryMaxAge, MaxBytes: cfg.HistoryMaxSize, Prefetch: cfg.prefetch(),
		})
	}
	b, err := bus.NewEmbedded(bus.EmbeddedConfig{Path: filepath.Join(cfg.Data, "log.db"), Log: log, MaxAge: cfg.historyMaxAge, MaxBytes: cfg.HistoryMaxSize})
	if err != nil {
		return nil, fmt.Errorf("open embedded log in %s: %w", cfg.Data, err)
	}
	return b, nil
}
