package harness

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"quadrille/internal/platform/app"
	"quadrille/services"
	catalogclient "quadrille/services/catalog/client"
	"quadrille/services/gateway"
	inventoryclient "quadrille/services/inventory/client"
	salesclient "quadrille/services/sales/client"
	statsclient "quadrille/services/stats/client"
	wishlistclient "quadrille/services/wishlist/client"
	"quadrille/test/harness/identity"
	"quadrille/test/harness/long"
)

// Shop is a running shop and the clients of its services.
type Shop struct {
	Inventory *inventoryclient.Client
	Catalog   *catalogclient.Client
	Wishlist  *wishlistclient.Client
	Sales     *salesclient.Client
	Stats     *statsclient.Client
	HTTP      *http.Client // for what the typed clients would not send

	app *app.Shop
}

// URL returns the base URL of a service.
func (s *Shop) URL(service string) string { return s.app.URL(service) }

// Each runs test against a shop on SQLite with the embedded log, and against one on
// PostgreSQL with RabbitMQ. The long form adds a shop of each kind whose services, and the
// test, send REST through a tunnel instead of HTTP: through Redis, and through RabbitMQ.
func Each(t *testing.T, test func(t *testing.T, shop *Shop)) {
	t.Helper()
	parts := map[string]func(testing.TB) app.Config{"embedded": Embedded, "real": Real}
	if long.Full {
		parts["real over amqp"], parts["embedded over redis"] = overAMQP, overRedis
	}
	for name, configure := range parts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, Start(t, configure(t)))
		})
	}
}

// Start runs a shop on the parts that cfg names and stops it with the test.
func Start(t testing.TB, cfg app.Config) *Shop {
	t.Helper()
	shop, stop := Run(t, cfg)
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("stop shop: %v", err)
		}
	})
	return shop
}

// Run starts a shop that the test stops by itself.
func Run(t testing.TB, cfg app.Config) (shop *Shop, stop func() error) {
	t.Helper()
	identity.Configure(&cfg)
	cfg.Listeners = map[string]net.Listener{}
	for _, name := range append([]string{app.Gateway}, services.Names()...) {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		must(t, err)
		cfg.Listeners[name] = l
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // of a busy machine
	defer cancel()
	all, err := gateway.InFrontOf(services.All(), cfg)
	must(t, err)
	running, err := app.Start(ctx, cfg, testLog(t), all)
	must(t, err)
	connections := app.NewConnections(cfg, testLog(t))
	t.Cleanup(func() { _ = connections.Close() })
	hc := connections.HTTP(time.Minute)
	for _, name := range services.Names() { // a queue is there a moment after its service
		Eventually(t, func(ctx context.Context) error { return healthy(ctx, hc, running.URL(name)) })
	}
	return connect(t, running, hc, running.URL), running.Stop
}

func healthy(ctx context.Context, hc *http.Client, base string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/healthz", nil)
	if err != nil {
		return err
	}
	answer, err := hc.Do(r)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// connect makes clients of services that are at url.
func connect(t testing.TB, running *app.Shop, hc *http.Client, url func(service string) string) *Shop {
	t.Helper()
	s := &Shop{app: running, HTTP: hc}
	var err error
	s.Inventory, err = inventoryclient.New(url("inventory"), hc)
	must(t, err)
	s.Catalog, err = catalogclient.New(url("catalog"), hc)
	must(t, err)
	s.Wishlist, err = wishlistclient.New(url("wishlist"), hc)
	must(t, err)
	s.Sales, err = salesclient.New(url("sales"), hc)
	must(t, err)
	s.Stats, err = statsclient.New(url("stats"), hc)
	must(t, err)
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testLog shows warnings in the test's output.
func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(&writer{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

type writer struct{ t testing.TB }

func (w *writer) Write(p []byte) (int, error) {
	defer func() { _ = recover() }() // a line that comes after the test's end is dropped
	w.t.Logf("%s", p)
	return len(p), nil
}

// Eventually waits until check returns nil, polling, and fails the test with its
// last error when it has not within 30 s.
func Eventually(t testing.TB, check func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(fmt.Errorf("still not so after 30 s: %w", err))
		case <-tick.C:
		}
	}
}
