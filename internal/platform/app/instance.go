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
	"quadrille/internal/platform/ops"
	"quadrille/internal/platform/ready"
	"quadrille/internal/platform/rest"
	"quadrille/pkg/consumer"
	"quadrille/pkg/lease"
	"quadrille/pkg/outbox"
	"quadrille/pkg/task"
)

// instance is one running service: its server, database, relay, consumers and workers.
type instance struct {
	service Service
	shop    *Shop
	log     *slog.Logger
	address net.Addr // the address it listens on
	server  *http.Server
	handler atomic.Pointer[http.Handler]
	// requests is the parent of the contexts of all requests; callOff cancels it.
	requests context.Context
	callOff  context.CancelCauseFunc

	db        *gorm.DB
	relay     *outbox.Relay // nil if the service is ConsumerOnly
	lease     *lease.Lease  // held by the instance that runs consumers and workers
	consumers []*consumer.Consumer
	tasks     *task.Runner

	readiness *ready.Registry

	cancel  context.CancelFunc // ends relay, consumers and workers
	running sync.WaitGroup
}

// serveOn returns an instance that serves on l. Until start completes, it responds that it is
// starting, so that health checks work from the first moment. Requests on l pass the guard
// against forged requests of web pages.
func serveOn(l net.Listener, s *Shop, service Service) (*instance, error) {
	i := &instance{service: service, shop: s, log: s.log.With("service", service.Name), address: l.Addr()}
	guard, err := rest.NewGuard(rest.GuardConfig{
		Log: i.log, Loopback: isLoopback(i.address), Origins: s.cfg.CORSOrigins,
		AllowedHosts: s.cfg.AllowedHosts, OwnHosts: s.cfg.ownHosts(service.Name),
	})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	i.requests, i.callOff = context.WithCancelCause(context.Background())
	i.serve(starting(service.Name))
	i.server = &http.Server{
		Handler:           guard.Before(http.HandlerFunc(i.dispatch)),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ConnContext:       bounded,
	}
	i.running.Go(func() {
		if err := i.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.fail(fmt.Errorf("%s stopped serving: %w", service.Name, err))
		}
	})
	return i, nil
}

// sendBuffer limits the bytes that the kernel buffers for a client that does not read, because
// thousands may be connected. The kernel's own limit is megabytes.
const sendBuffer = 64 << 10

// bounded limits the send buffer of a connection to sendBuffer.
func bounded(ctx context.Context, c net.Conn) context.Context {
	if conn, is := c.(interface{ SetWriteBuffer(int) error }); is {
		_ = conn.SetWriteBuffer(sendBuffer) // serve the connection without the limit if this fails
	}
	return ctx
}

func (i *instance) serve(h http.Handler) { i.handler.Store(&h) }

// dispatch handles a request from HTTP or RPC. The request is cancelled when callOff is called.
func (i *instance) dispatch(w http.ResponseWriter, r *http.Request) {
	ctx, end := rest.WithStop(r.Context(), i.requests)
	defer end()
	(*i.handler.Load()).ServeHTTP(w, r.WithContext(ctx))
}

// start opens the database, builds the service and starts its components.
func (i *instance) start(ctx context.Context) (err error) {
	if i.db, err = OpenDatabase(ctx, i.shop.cfg, i.service, i.log); err != nil {
		return err
	}
	if err := i.prepare(); err != nil {
		return fmt.Errorf("%s: %w", i.service.Name, err)
	}
	if i.service.Build == nil {
		return fmt.Errorf("%s has no Build: set it in New in its wire.go", i.service.Name)
	}
	metrics := prometheus.NewRegistry()
	components, err := i.service.Build(Deps{
		Metrics: metrics, DB: i.db, Bus: i.shop.bus, Log: i.log, URL: i.shop.cfg.URL, Wake: i.wake, Zone: i.shop.cfg.zone(), at: i.shop.at,
		noStream: i.shop.verifySoon, Orders: i.shop.cfg.orderTimes(), Keep: i.shop.cfg.keep(),
		HTTP: i.shop.connections.HTTP(0), Redis: i.shop.connections.sharedRedis,
	})
	if err != nil {
		return fmt.Errorf("build %s: %w", i.service.Name, err)
	}
	i.consumers = components.Consumers
	if err := i.service.checkReads(streamsOf(i.consumers)); err != nil {
		return fmt.Errorf("build %s: %w", i.service.Name, err)
	}
	if err := i.prepareTasks(components); err != nil {
		return fmt.Errorf("build %s: %w", i.service.Name, err)
	}
	if err := i.checkReadiness(append(i.timersCheck(components.Timers), components.Checks...)); err != nil {
		return fmt.Errorf("build %s: %w", i.service.Name, err)
	}
	if components.Drain != nil {
		i.server.RegisterOnShutdown(components.Drain)
	}
	api, err := i.api(components, metrics)
	if err != nil {
		return fmt.Errorf("build %s: %w", i.service.Name, err)
	}
	if err := i.run(components); err != nil {
		return fmt.Errorf("%s: %w", i.service.Name, err)
	}
	i.serve(api)
	return nil
}

// streamsOf returns the streams of consumers.
func streamsOf(consumers []*consumer.Consumer) []string {
	streams := make([]string, len(consumers))
	for n, c := range consumers {
		streams[n] = c.Stream()
	}
	return streams
}

// prepare creates the relay, if the service publishes, and the lease.
func (i *instance) prepare() (err error) {
	if !i.service.ConsumerOnly {
		i.relay, err = outbox.NewRelay(outbox.RelayConfig{DB: i.db, Bus: i.shop.bus, Stream: i.service.Name, Log: i.log, At: i.shop.at})
		if err != nil {
			return err
		}
		i.shop.relays.Store(i.service.Name, i.relay)
	}
	i.lease, err = lease.New(lease.Config{DB: i.db, Name: "reader", Holder: i.shop.holder, Log: i.log})
	return err
}

// wake wakes the relay, if there is one.
func (i *instance) wake() {
	if i.relay != nil {
		i.relay.Wake()
	}
}

func (i *instance) api(components Components, metrics *prometheus.Registry) (http.Handler, error) {
	api, err := rest.New(rest.Config{
		Service: i.service.Name, Spec: i.service.Spec, Common: ops.Spec, Log: i.log, Token: i.shop.cfg.Token, Metrics: metrics,
	})
	if err != nil {
		return nil, err
	}
	operations, err := ops.NewServer(ops.ServerConfig{
		Service: i.service.Name, DB: i.db, Bus: i.shop.bus, Relay: i.relay, Consumers: i.consumers, Tasks: i.tasks, Leader: i.lease.Held,
		Ready: i.readiness, Metrics: metrics, Log: i.log,
	})
	if err != nil {
		return nil, err
	}
	operations.Register(api)
	if components.Routes != nil {
		components.Routes(api)
	}
	if components.Front != nil {
		return components.Front(rest.Heads(api)), nil
	}
	return rest.Heads(api), nil
}

// loop runs until its context ends.
type loop func(context.Context) error

// run starts the relay, consumers and workers, and an RPC server if the service is called that
// way; they run until stop. Every instance runs a relay, a server and its share of the tasks.
// Consumers and workers run in the instance that holds the lease.
func (i *instance) run(components Components) error {
	loops, err := i.tunnelServer()
	if err != nil {
		return err
	}
	if i.relay != nil {
		loops = append(loops, i.relay.Run)
	}
	loops = append(loops, i.leased(components), i.readiness.Run, i.tasks.Run)
	for _, run := range components.PerInstance {
		loops = append(loops, run)
	}
	ctx, cancel := context.WithCancel(context.Background())
	i.cancel = cancel
	i.runAll(ctx, &i.running, loops)
	return nil
}

// leased returns a loop that runs consumers and workers while this instance holds the lease.
func (i *instance) leased(components Components) loop {
	var leased []loop
	for _, r := range components.Consumers {
		leased = append(leased, r.Run)
	}
	for _, w := range components.Workers {
		leased = append(leased, w)
	}
	return func(ctx context.Context) error {
		return i.lease.Run(ctx, func(ctx context.Context) {
			var working sync.WaitGroup
			i.runAll(ctx, &working, leased)
			working.Wait()
		})
	}
}

// tunnelServer returns the loop of the RPC server, or none if the service is called over HTTP.
func (i *instance) tunnelServer() ([]loop, error) {
	run, err := i.shop.connections.server(i.shop.cfg.URL(i.service.Name), http.HandlerFunc(i.dispatch), i.log)
	if run == nil || err != nil {
		return nil, err
	}
	return []loop{run}, nil
}

// runAll runs loops in the background. A loop that ends before ctx fails the shop.
func (i *instance) runAll(ctx context.Context, running *sync.WaitGroup, loops []loop) {
	for _, run := range loops {
		running.Go(func() {
			if err := run(ctx); ctx.Err() == nil {
				i.shop.fail(fmt.Errorf("a loop of %s ended: %w", i.service.Name, err))
			}
		})
	}
}

// stop drains the server, ends the loops and closes the database. After two thirds of the time
// it cancels the requests in progress, so that their callers get a response. After three
// quarters it closes the remaining connections.
func (i *instance) stop(ctx context.Context) error {
	within := i.shop.cfg.StopWithin
	late := time.AfterFunc(within*2/3, func() { i.callOff(rest.ErrStopping) })
	defer late.Stop()
	last := time.AfterFunc(within*3/4, func() { _ = i.server.Close() })
	defer last.Stop()
	err := i.server.Shutdown(ctx)
	if i.cancel != nil {
		i.cancel()
	}
	ended := make(chan struct{})
	go func() { i.running.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
		err = errors.Join(err, fmt.Errorf("%s did not stop in time: %w", i.service.Name, ctx.Err()))
	}
	if i.db != nil {
		err = errors.Join(err, db.Close(i.db))
	}
	return err
}

// starting returns the handler until the service is built. It is alive but not ready.
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
