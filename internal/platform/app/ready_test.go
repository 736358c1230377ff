package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/internal/platform/db/dbtest"
	"quadrille/internal/platform/ready"
	"quadrille/pkg/bus"
	"quadrille/pkg/consumer"
	"quadrille/pkg/events"
	"quadrille/pkg/outbox"
	"quadrille/test/harness/nodes"
	"quadrille/test/harness/parts"
)

// stuck is the stall timeout of the checks in these tests.
const stuck = time.Second

// rig is one instance of a service that consumes "inventory" and publishes "sales".
type rig struct {
	*Shop

	address string
	fetch   atomic.Pointer[func(ctx context.Context) error] // Fetch of its consumer; nil: no-op
}

// Fetch implements consumer.Handler.
func (g *rig) Fetch(ctx context.Context, _ []events.Event) (struct{}, error) {
	if do := g.fetch.Load(); do != nil {
		return struct{}{}, (*do)(ctx)
	}
	return struct{}{}, nil
}

// Apply implements consumer.Handler.
func (g *rig) Apply(context.Context, consumer.Tx, []events.Event, struct{}) error { return nil }

// eachDatabase runs test with a configuration on files and on PostgreSQL.
func eachDatabase(t *testing.T, test func(t *testing.T, cfg Config)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, Config{Services: shopServices(), Data: t.TempDir()})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, onPostgres(t, parts.Postgres(t)))
	})
}

// onPostgres returns a configuration with a schema prefix unique to the test.
func onPostgres(t *testing.T, server string) Config {
	t.Helper()
	prefix := "t" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12] + "_"
	t.Cleanup(func() {
		admin, err := db.Open(context.WithoutCancel(t.Context()), db.Config{URL: parts.Postgres(t), Schema: "public"})
		if err != nil {
			t.Error(err)
			return
		}
		defer db.Close(admin)
		if err := admin.Exec("DROP SCHEMA IF EXISTS " + prefix + "sales CASCADE").Error; err != nil {
			t.Error(err)
		}
	})
	return Config{Services: shopServices(), Data: t.TempDir(), DatabaseURL: server, SchemaPrefix: prefix}
}

// begin starts an instance.
func begin(t *testing.T, cfg Config, own ...ready.Check) *rig {
	t.Helper()
	return beginWith(t, cfg, Components{Checks: own})
}

// beginWith starts an instance with the consumer and other components.
func beginWith(t *testing.T, cfg Config, components Components) *rig {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &rig{address: "http://" + l.Addr().String()}
	service := Service{
		Name: "sales", Reads: []string{"inventory"}, Migrations: dbtest.NoTables(), Spec: []byte("{openapi: 3.0.3, info: {title: t, version: v}, paths: {}}"),
		Build: func(d Deps) (Components, error) {
			rc := d.Consumer("sales", "inventory", nil)
			rc.Timeout = time.Second
			r, err := consumer.NewConverging(rc, g)
			components.Consumers = []*consumer.Consumer{r}
			return components, err
		},
	}
	cfg.Listeners, cfg.StuckAfter = map[string]net.Listener{"sales": l}, stuck
	g.Shop, err = Start(t.Context(), cfg, slog.New(slog.DiscardHandler), []Service{service})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Stop(); err != nil {
			t.Logf("stop: %v", err)
		}
	})
	return g
}

func (g *rig) db() *gorm.DB { return g.instances[0].db }

// readiness calls /readyz.
func (g *rig) readiness(t *testing.T) (status int, checks map[string]ready.Result) {
	t.Helper()
	var said struct{ Checks []ready.Result }
	status = g.ask(t, "/readyz", &said)
	checks = map[string]ready.Result{}
	for _, c := range said.Checks {
		checks[c.Name] = c
	}
	return status, checks
}

func (g *rig) ask(t *testing.T, path string, into any) (status int) {
	t.Helper()
	answer, err := http.Get(g.address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(body, into); err != nil {
			t.Fatalf("%s: %v in %s", path, err, body)
		}
	}
	return answer.StatusCode
}

// becomesReady waits until the service is ready.
func (g *rig) becomesReady(t *testing.T) {
	t.Helper()
	g.until(t, "ready", func(status int, _ map[string]ready.Result) bool { return status == http.StatusOK })
}

// fails waits until a check fails with a detail that contains want.
func (g *rig) fails(t *testing.T, check, want string) {
	t.Helper()
	g.until(t, fmt.Sprintf("%s fails with %q", check, want), func(status int, checks map[string]ready.Result) bool {
		c := checks[check]
		return status == http.StatusServiceUnavailable && c.State == ready.Failing && strings.Contains(c.Detail, want) && c.Since != nil && c.Remedy != ""
	})
}

func (g *rig) until(t *testing.T, what string, is func(int, map[string]ready.Result) bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		status, checks := g.readiness(t)
		if is(status, checks) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after a minute still not: %s: %d %+v", what, status, checks)
		}
	}
}

// exec runs a statement in the service's database.
func (g *rig) exec(t *testing.T, statement string) {
	t.Helper()
	if err := g.db().WithContext(context.WithoutCancel(t.Context())).Exec(statement).Error; err != nil {
		t.Fatal(err)
	}
}

// place appends an event to the outbox.
func (g *rig) place(t *testing.T) {
	t.Helper()
	if err := outbox.Append(t.Context(), g.db(), events.New("sales.order_placed", uuid.NewString(), 1, "/orders/1")); err != nil {
		t.Fatal(err)
	}
	g.instances[0].wake()
}

// publish publishes an event of inventory.
func (g *rig) publish(t *testing.T) {
	t.Helper()
	e := events.New("inventory.sku_processed", "A", 1, "/skus/A")
	body, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.bus.Publish(t.Context(), "inventory", []bus.Message{{ID: e.ID, Type: e.Type, Body: body}}); err != nil {
		t.Fatal(err)
	}
}

func TestNotReadyWhileTheDatabaseTakesNoWrites(t *testing.T) {
	eachDatabase(t, func(t *testing.T, cfg Config) {
		g := begin(t, cfg)
		g.becomesReady(t)
		g.exec(t, "ALTER TABLE leases RENAME TO hidden")
		g.fails(t, "database", "leases")
		if status := g.ask(t, "/healthz", nil); status != http.StatusOK {
			t.Errorf("/healthz is %d: the process lives", status)
		}
		g.exec(t, "ALTER TABLE hidden RENAME TO leases")
		g.becomesReady(t)
	})
}

// /readyz responds at once while the database hangs, also to many concurrent requests.
func TestReadinessAnswersWhileTheDatabaseHangs(t *testing.T) {
	t.Parallel()
	server, proxy := hangable(t)
	g := begin(t, onPostgres(t, server))
	g.becomesReady(t)
	proxy.Delay(10 * time.Second) // longer than the timeout of any probe; also on new connections
	t.Cleanup(proxy.Mend)
	slowest := time.Duration(0)
	g.until(t, "not ready", func(status int, checks map[string]ready.Result) bool {
		asked := time.Now()
		g.readiness(t)
		slowest = max(slowest, time.Since(asked))
		return status == http.StatusServiceUnavailable && !checks["database"].OK
	})
	if slowest > 2*time.Second {
		t.Errorf("the slowest answer took %s", slowest)
	}
	proxy.Mend()
	g.becomesReady(t)
}

func hangable(t *testing.T) (server string, proxy *nodes.Proxy) {
	t.Helper()
	before, after, _ := strings.Cut(parts.Postgres(t), "@")
	address, rest, _ := strings.Cut(after, "/")
	proxy = nodes.NewProxy(t, address)
	return before + "@" + proxy.Address() + "/" + rest, proxy
}

// A relay that sends nothing fails its check although it has no error: another process holds the
// lock that it needs.
func TestNotReadyWhileNothingIsSent(t *testing.T) {
	t.Parallel()
	g := begin(t, onPostgres(t, parts.Postgres(t)))
	g.becomesReady(t)
	tx := g.db().Begin()
	defer tx.Rollback()
	if err := tx.Exec("SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '.outbox', 0))").Error; err != nil {
		t.Fatal(err)
	}
	g.place(t)
	g.fails(t, "relay", "nothing is sent")
	tx.Rollback()
	g.becomesReady(t)
}

// An event that the log refuses gives a warning. The service stays ready.
func TestReadyWithARefusedEvent(t *testing.T) {
	eachDatabase(t, func(t *testing.T, cfg Config) {
		g := begin(t, cfg)
		g.becomesReady(t)
		g.place(t)
		g.exec(t, "UPDATE outbox SET due = NULL, sent_at = NULL, refused_at = '2026-01-02 00:00:00', refusal = 'too long'")
		g.until(t, "a warning", func(status int, checks map[string]ready.Result) bool {
			c := checks["refused"]
			return status == http.StatusOK && c.State == ready.Warning && c.OK && strings.Contains(c.Detail, "refuses 1 events")
		})
	})
}

// While every attempt of the relay fails, the service is not ready. /readyz and /subscriptions
// give the reason.
func TestNotReadyWhileTheRelayFails(t *testing.T) {
	eachDatabase(t, func(t *testing.T, cfg Config) {
		g := begin(t, cfg)
		g.becomesReady(t)
		g.exec(t, "ALTER TABLE outbox RENAME TO hidden")
		g.fails(t, "relay", "outbox")
		g.exec(t, "ALTER TABLE hidden RENAME TO outbox")
		g.becomesReady(t)
		var said struct{ Checks []ready.Result }
		if g.ask(t, "/subscriptions", &said); len(said.Checks) != 9 || !ready.Ready(said.Checks) {
			t.Errorf("/subscriptions has the checks %+v", said.Checks)
		}
	})
}

func TestNotReadyWhileAConsumerFailsOrHangs(t *testing.T) {
	for name, do := range map[string]func(ctx context.Context) error{
		"fails": func(context.Context) error { return fmt.Errorf("%w: inventory is gone", bus.ErrUnavailable) },
		"hangs": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			eachDatabase(t, func(t *testing.T, cfg Config) {
				g := begin(t, cfg)
				g.becomesReady(t)
				g.fetch.Store(&do)
				g.publish(t)
				g.fails(t, "reader inventory", "fetch: ")
				g.fetch.Store(nil)
				g.becomesReady(t)
			})
		})
	}
}

// A standby instance is ready and names the leader. It is not ready if no instance can consume.
func TestReadinessOfAStandby(t *testing.T) {
	t.Parallel()
	cfg := onPostgres(t, parts.Postgres(t))
	leader := begin(t, cfg)
	leader.becomesReady(t)
	standby := begin(t, cfg)
	standby.until(t, "standing by", func(status int, checks map[string]ready.Result) bool {
		return status == http.StatusOK && strings.Contains(checks["lease"].Detail, "standby; leader "+leader.holder) &&
			checks["reader inventory"].Detail == consumer.StateStandby
	})
	if err := leader.Stop(); err != nil {
		t.Fatal(err)
	}
	standby.until(t, "the leader", func(status int, checks map[string]ready.Result) bool {
		return status == http.StatusOK && checks["lease"].Detail == "this instance holds the lease"
	})
	standby.exec(t, "DROP SCHEMA "+cfg.SchemaPrefix+"sales CASCADE") // so that no instance can consume
	standby.fails(t, "lease", "no instance consumes")
}

// A holder renews the lease but does nothing. The standby instance detects that events wait.
func TestNotReadyWhileTheLeaderDoesNothing(t *testing.T) {
	t.Parallel()
	g := begin(t, onPostgres(t, parts.Postgres(t)))
	g.becomesReady(t)
	ended, end := context.WithCancel(t.Context())
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		for ended.Err() == nil {
			_ = g.db().Exec("UPDATE leases SET holder = 'ghost', expires_at = clock_timestamp() + interval '2 seconds'").Error
			time.Sleep(200 * time.Millisecond)
		}
	}()
	defer func() { end(); <-renewed }()
	g.until(t, "standing by", func(_ int, checks map[string]ready.Result) bool {
		return checks["lease"].Detail == "standby; leader ghost"
	})
	g.publish(t)
	g.fails(t, "reader inventory", "the position does not move")
	end()
	g.becomesReady(t)
}

// A lease of a dead holder that expires far in the future does not keep the leader out.
func TestReadyAgainAfterALeaseInTheFuture(t *testing.T) {
	t.Parallel()
	cfg := onPostgres(t, parts.Postgres(t))
	first := begin(t, cfg)
	first.becomesReady(t)
	admin := first.db()
	if err := admin.Exec("UPDATE leases SET holder = 'dead', expires_at = clock_timestamp() + interval '1 hour'").Error; err != nil {
		t.Fatal(err)
	}
	first.until(t, "the leader again", func(status int, checks map[string]ready.Result) bool {
		var holder string
		return admin.Raw("SELECT holder FROM leases").Scan(&holder).Error == nil && holder == first.holder &&
			status == http.StatusOK && checks["lease"].Detail == "this instance holds the lease"
	})
}

// RabbitMQ only: the history is missing, or its exchange has another type.
func TestNotReadyWithoutAHistory(t *testing.T) {
	t.Parallel()
	server := parts.RabbitMQ(t)
	prefix := "t" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12] + "."
	conn, err := amqp.Dial(server)
	if err != nil {
		t.Fatal(err)
	}
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.ExchangeDeclare(prefix+"sales", "topic", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, stream := range []string{"sales", "inventory"} {
			_, _ = ch.QueueDelete(prefix+stream+".history", false, false, false)
			_ = ch.ExchangeDelete(prefix+stream, false, false)
		}
		_ = conn.Close()
	})
	g := begin(t, Config{Services: shopServices(), Data: t.TempDir(), AMQPURL: server, BusPrefix: prefix})
	g.fails(t, "reader inventory", "the history of inventory, which does not exist")
	g.fails(t, "relay", prefix+"sales")
	if err := ch.ExchangeDelete(prefix+"sales", false, false); err != nil {
		t.Fatal(err)
	}
	g.publish(t) // declares the history
	g.becomesReady(t)
}

// A failed check of the service itself makes it unready, and is in /metrics.
func TestReadinessIncludesChecksOfTheService(t *testing.T) {
	t.Parallel()
	var stands atomic.Bool
	g := begin(t, Config{Services: shopServices(), Data: t.TempDir()}, ready.Check{
		Name: "imports", Remedy: "cancel it", Probe: func(context.Context) ready.Finding {
			if stands.Load() {
				return ready.Finding{Err: fmt.Errorf("import 7 does not move"), Since: time.Now().Add(-time.Minute)} //nolint:err113,perfsprint // a test's
			}
			return ready.Finding{}
		},
	})
	g.becomesReady(t)
	stands.Store(true)
	g.fails(t, "imports", "import 7 does not move")
	answer, err := http.Get(g.address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	metrics, err := io.ReadAll(answer.Body)
	for _, want := range []string{`quadrille_ready{check="imports"} 0`, `quadrille_ready{check="database"} 1`} {
		if err != nil || !strings.Contains(string(metrics), want) {
			t.Errorf("/metrics does not have %s (%v)", want, err)
		}
	}
}
