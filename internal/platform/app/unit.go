package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/internal/platform/ready"
	"quadrille/internal/platform/rest"
	"quadrille/pkg/bus"
	"quadrille/pkg/lease"
	"quadrille/pkg/outbox"
)

// unit is one running service: its server, database, relay, readers and workers.
type unit struct {
	service Service
	shop    *Shop
	log     *slog.Logger
	address net.Addr // that it listens on
	server  *http.Server
	handler atomic.Pointer[http.Handler]
	// requests is the context above those of all requests; callOff ends it.
	requests context.Context
	callOff  context.CancelCauseFunc

	db      *gorm.DB
	relay   *outbox.Relay // nil where the service is silent
	lease   *lease.Lease  // held by the instance that reads
	readers []*bus.Reader

	readiness *ready.Registry

	cancel  context.CancelFunc // ends relay, readers and workers
	running sync.WaitGroup
}

// serveOn makes a unit that answers on l that it is starting, so that health can be
// asked from the first moment. What comes by l passes the guard against web pages.
func serveOn(l net.Listener, s *Shop, service Service) (*unit, error) {
	u := &unit{service: service, shop: s, log: s.log.With("service", service.Name), address: l.Addr()}
	guard, err := rest.NewGuard(rest.GuardConfig{
		Log: u.log, Loopback: isLoopback(u.address), Origins: s.cfg.CORSOrigins,
		AllowedHosts: s.cfg.AllowedHosts, OwnHosts: s.cfg.ownHosts(service.Name),
	})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	u.requests, u.callOff = context.WithCancelCause(context.Background())
	u.serve(starting(service.Name))
	u.server = &http.Server{
		Handler:           guard.Before(http.HandlerFunc(u.dispatch)),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ConnContext:       bounded,
	}
	u.running.Go(func() {
		if err := u.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.fail(fmt.Errorf("%s stopped serving: %w", service.Name, err))
		}
	})
	return u, nil
}

// sendBuffer is how many bytes the system takes for a client that does not read, of
// thousands that may be connected: its own bound is in megabytes.
const sendBuffer = 64 << 10

func bounded(ctx context.Context, c net.Conn) context.Context {
	if conn, is := c.(interface{ SetWriteBuffer(int) error }); is {
		_ = conn.SetWriteBuffer(sendBuffer) // what cannot be bounded is served as it is
	}
	return ctx
}

func (u *unit) serve(h http.Handler) { u.handler.Store(&h) }

// dispatch answers a request, whichever way it came, until it is called off.
func (u *unit) dispatch(w http.ResponseWriter, r *http.Request) {
	ctx, end := rest.WithStop(r.Context(), u.requests)
	defer end()
	(*u.handler.Load()).ServeHTTP(w, r.WithContext(ctx))
}

// start opens the database, builds the service and sets its parts going.
func (u *unit) start(ctx context.Context) (err error) {
	if u.db, err = OpenDatabase(ctx, u.shop.cfg, u.service, u.log); err != nil {
		return err
	}
	if err := u.prepare(); err != nil {
		return fmt.Errorf("%s: %w", u.service.Name, err)
	}
	metrics := prometheus.NewRegistry()
	parts, err := u.service.Build(Deps{
		Metrics: metrics, DB: u.db, Bus: u.shop.bus, Log: u.log, URL: u.shop.cfg.URL, Wake: u.wake, at: u.shop.at,
		noStream: u.shop.suspect,
		HTTP:     u.shop.links.HTTP(0), Redis: u.shop.links.sharedRedis,
	})
	if err != nil {
		return fmt.Errorf("build %s: %w", u.service.Name, err)
	}
	u.readers = parts.Readers
	if err := u.checkReadiness(parts.Checks); err != nil {
		return fmt.Errorf("build %s: %w", u.service.Name, err)
	}
	if parts.Drain != nil {
		u.server.RegisterOnShutdown(parts.Drain)
	}
	api, err := u.api(parts, metrics)
	if err != nil {
		return fmt.Errorf("build %s: %w", u.service.Name, err)
	}
	if err := u.run(parts); err != nil {
		return fmt.Errorf("%s: %w", u.service.Name, err)
	}
	u.serve(api)
	return nil
}

// prepare makes what every service has, over its database.
func (u *unit) prepare() (err error) {
	if !u.service.Silent {
		u.relay, err = outbox.NewRelay(outbox.RelayConfig{DB: u.db, Bus: u.shop.bus, Stream: u.service.Name, Log: u.log, At: u.shop.at})
		if err != nil {
			return err
		}
		u.shop.relays.Store(u.service.Name, u.relay)
	}
	u.lease, err = lease.New(lease.Config{DB: u.db, Name: "reader", Holder: u.shop.instance, Log: u.log})
	return err
}

// wake tells the relay that there is something to send.
func (u *unit) wake() {
	if u.relay != nil {
		u.relay.Wake()
	}
}

func (u *unit) api(parts Parts, metrics *prometheus.Registry) (http.Handler, error) {
	api, err := rest.New(rest.Config{
		Service: u.service.Name, Spec: u.service.Spec, Log: u.log, Token: u.shop.cfg.Token,
		Ops: u.ops(metrics),
	})
	if err != nil {
		return nil, err
	}
	if parts.Routes != nil {
		parts.Routes(api)
	}
	if parts.Front != nil {
		return parts.Front(rest.Heads(api)), nil
	}
	return rest.Heads(api), nil
}

// loop runs until its context ends.
type loop func(context.Context) error

// run sets relay, readers and workers going until stop, and the server of RPC
// where this service is called that way. Every instance has a relay and a server;
// readers and workers run in the one that holds the lease.
func (u *unit) run(parts Parts) error {
	loops, err := u.carried()
	if err != nil {
		return err
	}
	if u.relay != nil {
		loops = append(loops, u.relay.Run)
	}
	leased, err := u.leased(parts)
	if err != nil {
		return err
	}
	loops = append(loops, leased, u.readiness.Run)
	for _, run := range parts.Everywhere {
		loops = append(loops, run)
	}
	ctx, cancel := context.WithCancel(context.Background())
	u.cancel = cancel
	u.runAll(ctx, &u.running, loops)
	return nil
}

// leased runs what one instance does while it holds the lease.
func (u *unit) leased(parts Parts) (loop, error) {
	var leased []loop
	for _, r := range parts.Readers {
		leased = append(leased, r.Run)
	}
	for _, w := range parts.Workers {
		leased = append(leased, w)
	}
	if keep := u.shop.cfg.outboxKeep; u.relay != nil && keep > 0 {
		pruner, err := outbox.NewPruner(outbox.PruneConfig{DB: u.db, Keep: keep, Log: u.log})
		if err != nil {
			return nil, err
		}
		leased = append(leased, pruner.Run)
	}
	return func(ctx context.Context) error {
		return u.lease.Run(ctx, func(ctx context.Context) {
			var working sync.WaitGroup
			u.runAll(ctx, &working, leased)
			working.Wait()
		})
	}, nil
}

// carried returns the server of requests that come as RPC, where there is one.
func (u *unit) carried() ([]loop, error) {
	run, err := u.shop.links.server(u.shop.cfg.URL(u.service.Name), http.HandlerFunc(u.dispatch), u.log)
	if run == nil || err != nil {
		return nil, err
	}
	return []loop{run}, nil
}

// runAll runs loops in the background. One that ends before its context does
// fails the shop.
func (u *unit) runAll(ctx context.Context, running *sync.WaitGroup, loops []loop) {
	for _, run := range loops {
		running.Go(func() {
			if err := run(ctx); ctx.Err() == nil {
				u.shop.fail(fmt.Errorf("a loop of %s ended: %w", u.service.Name, err))
			}
		})
	}
}

// stop drains the server, ends the loops and closes the database. What is still
// worked on when most of the time is over is called off, so that its caller is told;
// who still sends after that is cut off.
func (u *unit) stop(ctx context.Context) error {
	within := u.shop.cfg.StopWithin
	late := time.AfterFunc(within*2/3, func() { u.callOff(rest.ErrStopping) })
	defer late.Stop()
	last := time.AfterFunc(within*3/4, func() { _ = u.server.Close() })
	defer last.Stop()
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
