package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"gorm.io/gorm"

	"quadrille/internal/db"
	"quadrille/internal/rest"
	"quadrille/internal/rest/call"
	"quadrille/pkg/bus"
	"quadrille/pkg/outbox"
)

// unit is one running service: its server, database, relay, readers and workers.
type unit struct {
	service Service
	shop    *Shop
	log     *slog.Logger
	server  *http.Server
	handler atomic.Pointer[http.Handler]

	db      *gorm.DB
	relay   *outbox.Relay
	readers []*bus.Reader

	cancel  context.CancelFunc // ends relay, readers and workers
	running sync.WaitGroup
}

// listen opens the unit's address and answers that it is starting, so that
// health can be asked from the first moment.
func listen(ctx context.Context, s *Shop, service Service) (*unit, error) {
	l, err := s.cfg.listener(ctx, service.Name)
	if err != nil {
		return nil, err
	}
	u := &unit{service: service, shop: s, log: s.log.With("service", service.Name)}
	u.serve(starting(service.Name))
	u.server = &http.Server{
		Handler:           http.HandlerFunc(u.dispatch),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	u.running.Go(func() {
		if err := u.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.fail(fmt.Errorf("%s stopped serving: %w", service.Name, err))
		}
	})
	return u, nil
}

func (u *unit) serve(h http.Handler) { u.handler.Store(&h) }

func (u *unit) dispatch(w http.ResponseWriter, r *http.Request) { (*u.handler.Load()).ServeHTTP(w, r) }

// start opens the database, builds the service and sets its parts going.
func (u *unit) start(ctx context.Context) (err error) {
	if u.db, err = OpenDatabase(ctx, u.shop.cfg, u.service, u.log); err != nil {
		return err
	}
	u.relay, err = outbox.NewRelay(outbox.RelayConfig{DB: u.db, Bus: u.shop.bus, Stream: u.service.Name, Log: u.log})
	if err != nil {
		return fmt.Errorf("%s: %w", u.service.Name, err)
	}
	cfg := u.shop.cfg
	parts, err := u.service.Build(Deps{
		DB: u.db, Bus: u.shop.bus, Log: u.log, URL: cfg.URL, Wake: u.relay.Wake,
		HTTP: call.New(call.Config{Token: cfg.Token}),
	})
	if err != nil {
		return fmt.Errorf("build %s: %w", u.service.Name, err)
	}
	u.readers = parts.Readers
	api, err := u.api(parts)
	if err != nil {
		return fmt.Errorf("build %s: %w", u.service.Name, err)
	}
	u.run(parts)
	u.serve(api)
	return nil
}

func (u *unit) api(parts Parts) (*echo.Echo, error) {
	metrics := prometheus.NewRegistry()
	api, err := rest.New(rest.Config{
		Service: u.service.Name, Spec: u.service.Spec, Log: u.log, Token: u.shop.cfg.Token,
		Ops: u.ops(metrics),
	})
	if err != nil {
		return nil, err
	}
	parts.Routes(api)
	return api, nil
}

// run sets relay, readers and workers going until stop.
func (u *unit) run(parts Parts) {
	ctx, cancel := context.WithCancel(context.Background())
	u.cancel = cancel
	loops := append([]func(context.Context) error{u.relay.Run}, parts.Workers...)
	for _, r := range parts.Readers {
		loops = append(loops, r.Run)
	}
	for _, loop := range loops {
		u.running.Go(func() {
			if err := loop(ctx); ctx.Err() == nil {
				u.shop.fail(fmt.Errorf("a loop of %s ended: %w", u.service.Name, err))
			}
		})
	}
}

// stop drains the server, ends the loops and closes the database.
func (u *unit) stop(ctx context.Context) error {
	err := u.server.Shutdown(ctx)
	if u.cancel != nil {
		u.cancel()
	}
	ended := make(chan struct{})
	go func() { u.running.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
		err = errors.Join(err, fmt.Errorf("%s did not stop in time: %w", u.service.Name, ctx.Err()))
	}
	if u.db != nil {
		err = errors.Join(err, db.Close(u.db))
	}
	return err
}

// starting answers until the service is built: alive, not ready.
func starting(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			w.WriteHeader(http.StatusOK)
			return
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, `{"type":"/problems/starting","title":"Service Unavailable","status":503,"code":"starting","detail":"%s is starting and waits for its database"}`, name)
	})
}
