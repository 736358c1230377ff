package activity

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"go.uber.org/goleak"
	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/internal/platform/rest"
	"quadrille/pkg/events"
	salesclient "quadrille/services/sales/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tables returns the gateway's migrations.
func tables() fs.FS { return os.DirFS("..") }

// each runs test on each database.
func each(t *testing.T, test func(t *testing.T, conn *gorm.DB)) {
	t.Helper()
	dbtest.Each(t, "gateway", tables(), test)
}

// fakeSales is a sales service that knows the customers of orders.
type fakeSales struct {
	mu     sync.Mutex
	owners map[string]string
	away   error
	asked  []string
}

func newSales() *fakeSales { return &fakeSales{owners: map[string]string{}} }

// Orders returns the orders named, as far as they exist.
func (f *fakeSales) Orders(_ context.Context, ids []string) (found []salesclient.Order, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, ids...)
	if f.away != nil {
		return nil, f.away
	}
	for _, id := range ids {
		if customer, ok := f.owners[id]; ok {
			found = append(found, salesclient.Order{Id: id, Customer: customer})
		}
	}
	return found, nil
}

// placed adds an order of a customer and returns its event.
func (f *fakeSales) placed(id, customer string) events.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.owners[id] = customer
	return caused(events.OrderChanged(events.SalesOrderPlaced, id, 1))
}

// caused sets the correlation of an event without a cause, as the outbox does.
func caused(e events.Event) events.Event { return e.Stamp(context.Background()) }

// instance is a gateway on a database, reached over HTTP.
type instance struct {
	*Service

	dial func(ctx context.Context, network, address string) (net.Conn, error)
	url  string
	stop func()
}

// callerOf reads the caller from headers of the tests.
func callerOf(r *http.Request) Caller {
	return Caller{Subject: r.Header.Get("X-Subject"), Roles: splitList(r.Header.Get("X-Roles")), Address: r.Header.Get("X-Address")}
}

// start runs an instance, reached through pipes, until the test ends or stop is
// called.
func start(t testing.TB, conn *gorm.DB, sales *fakeSales, change ...func(*Config)) *instance {
	t.Helper()
	p := newPipes()
	return startOn(t, p, p.dial, conn, sales, change...)
}

// startTCP is like start, with TCP sockets instead of pipes.
func startTCP(t testing.TB, conn *gorm.DB, sales *fakeSales, change ...func(*Config)) *instance {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, listener, new(net.Dialer).DialContext, conn, sales, change...)
}

func startOn(t testing.TB, listener net.Listener, dial func(ctx context.Context, network, address string) (net.Conn, error),
	conn *gorm.DB, sales *fakeSales, change ...func(*Config),
) *instance {
	t.Helper()
	cfg := Config{DB: conn, Log: slog.New(slog.DiscardHandler), Sales: sales, Caller: callerOf, Poll: 10 * time.Millisecond}
	for _, c := range change {
		c(&cfg)
	}
	l, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: l.paths(), ReadHeaderTimeout: testTimeout}
	server.RegisterOnShutdown(l.Drain)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = l.Run(ctx) })
	running.Go(func() { _ = server.Serve(listener) })
	stop := sync.OnceFunc(func() {
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("the server did not drain: %v", err)
		}
		cancel()
		running.Wait()
	})
	t.Cleanup(stop)
	return &instance{Service: l, dial: dial, url: "http://" + listener.Addr().String(), stop: stop}
}

// paths returns the part of the public API that is here, behind the router that the
// gateway has.
func (l *Service) paths() http.Handler {
	e := rest.NewBare(l.cfg.Log, rest.AccessLog{})
	e.Any("/api/v1/events", echo.WrapHandler(l.Events()))
	e.Any("/api/v1/ops/traces", echo.WrapHandler(l.Traces()))
	e.Any("/api/v1/ops/history", echo.WrapHandler(l.History()))
	return e
}

// record has the instance record events, as its readers do.
func (i *instance) record(t testing.TB, batch ...events.Event) {
	t.Helper()
	if err := i.take(context.Background(), batch...); err != nil {
		t.Fatal(err)
	}
}

func (i *instance) take(ctx context.Context, batch ...events.Event) error {
	recorder := i.recorder()
	activities, err := recorder.Fetch(ctx, batch)
	if err != nil {
		return err
	}
	err = i.store.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error { return recorder.Apply(ctx, tx, batch, activities) })
	i.tail.wake()
	return err
}

// products returns n events that are visible to everybody.
func products(n int) []events.Event {
	batch := make([]events.Event, n)
	for i := range batch {
		batch[i] = caused(events.ProductChanged(fmt.Sprint("P", i), 1))
	}
	return batch
}

func joined(roles ...string) string { return strings.Join(roles, ",") }

// recordedStreams names the streams that the tests publish.
func recordedStreams() []string { return []string{"inventory", "catalog", "wishlist", "sales"} }
