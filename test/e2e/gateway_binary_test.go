package e2e_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"quadrille/internal/platform/app"
	"quadrille/services"
	salesclient "quadrille/services/sales/client"
	"quadrille/test/harness"
	"quadrille/test/harness/identity"
	"quadrille/test/harness/parts"
)

// reached returns an environment in which services call each other by scheme, with a
// short time-out in the gateway.
func reached(t *testing.T, scheme string) []string {
	t.Helper()
	cfg := harness.Real(t)
	cfg.RedisURL = parts.Redis(t)
	t.Cleanup(func() { forget(t, cfg) })
	env := slices.Concat(settings(cfg), identity.Env(), []string{"REDIS_URL=" + cfg.RedisURL, "INTERNAL_TOKEN=inner", "GATEWAY_TIMEOUT=2s"})
	if scheme != "http:" {
		for _, name := range services.Names() {
			env = append(env, strings.ToUpper(name)+"_URL="+scheme)
		}
	}
	return env
}

// forget removes what services that were killed left in Redis.
func forget(t *testing.T, cfg app.Config) {
	t.Helper()
	options, err := redis.ParseURL(cfg.RedisURL)
	if err != nil {
		t.Fatal(err)
	}
	r := redis.NewClient(options)
	defer r.Close()
	ctx := context.WithoutCancel(t.Context())
	for keys := r.Scan(ctx, 0, cfg.BusPrefix+"*", 1000).Iterator(); keys.Next(ctx); {
		if err := r.Del(ctx, keys.Val()).Err(); err != nil {
			t.Error(err)
		}
	}
}

// A service is killed: its part of the public API is away, and says so, and nothing
// else is. It is started again, and what was asked of it meanwhile happens once.
func TestGatewayServesOthersWhileOneServiceIsDown(t *testing.T) {
	for _, scheme := range []string{"http:", "amqp:", "redis:"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, reached(t, scheme)...)
			if out, err := m.Run("migrate"); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			others := []string{app.Gateway, "inventory", "catalog", "wishlist", "stats"}
			m.Start(nil, append([]string{"serve"}, others...)...)
			sales := m.Start(nil, "serve", "sales")
			m.readyAre(append(others, "sales")...)
			v := visitor{t, m.URL(app.Gateway), client(t)}
			put(v, "/api/v1/products/A", `{"title":"A","price":{"amount":"1.00","currency":"GBP"}}`, http.StatusCreated)
			post(v, "/api/v1/receipts", `{"external_id":"r1","sku":"A","quantity":9}`, http.StatusCreated)
			order := `{"customer":"ann","lines":[{"sku":"A","quantity":1}]}`
			post(v, "/api/v1/orders", order, http.StatusCreated)

			sales.Kill()
			for _, request := range []func() seen{
				func() seen { return v.ask("GET", "/api/v1/orders", "") },
				func() seen { return v.ask("POST", "/api/v1/orders", order, "Idempotency-Key", "k") },
			} {
				began := time.Now()
				a := request()
				code := "service_away"
				if scheme != "http:" && strings.Contains(a.body, `"timeout"`) { // whichever is found out first
					code = "timeout"
				}
				a.refused(t, http.StatusServiceUnavailable, code, "")
				if a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "sales") || time.Since(began) > 10*time.Second {
					t.Errorf("after %s: %v %s", time.Since(began), a.header, a.body)
				}
			}
			for _, path := range []string{"/products/A", "/skus/A", "/customers/ann/wishlist", "/stats/summary"} {
				is[map[string]any](t, v.ask("GET", "/api/v1"+path, ""), http.StatusOK)
			}
			put(v, "/api/v1/products/B", `{"title":"B","price":{"amount":"1.00","currency":"GBP"}}`, http.StatusCreated)
			post(v, "/api/v1/receipts", `{"external_id":"r2","sku":"B","quantity":9}`, http.StatusCreated)

			m.Start(nil, "serve", "sales")
			harness.Eventually(t, func(context.Context) error {
				if a := v.ask("POST", "/api/v1/orders", order, "Idempotency-Key", "k"); a.status != http.StatusCreated {
					return fmt.Errorf("the order is answered with %d %s", a.status, a.body)
				}
				return nil
			})
			harness.Eventually(t, func(context.Context) error {
				page := is[salesclient.OrderPage](t, v.ask("GET", "/api/v1/orders", ""), http.StatusOK)
				confirmed := func(o salesclient.Order) bool { return o.Status == salesclient.Confirmed }
				if len(page.Items) != 2 || !confirmed(page.Items[0]) || !confirmed(page.Items[1]) {
					return fmt.Errorf("the orders are %+v", page.Items)
				}
				return nil
			})
			if report := m.audit(); report.Orders["confirmed"] != 2 || report.Reserved != 2 {
				t.Errorf("totals are %+v", report)
			}
		})
	}
}

func put(v visitor, path, body string, status int) {
	v.t.Helper()
	is[map[string]any](v.t, v.ask("PUT", path, body), status)
}

func post(v visitor, path, body string, status int) {
	v.t.Helper()
	is[map[string]any](v.t, v.ask("POST", path, body), status)
}

// Where nothing is configured, up has anybody be anybody, and only this machine
// reaches it, whatever HOST says. What is configured is heeded, and serve has no such
// sign-in at all.
func TestDevelopmentSignIn(t *testing.T) {
	m := newMachine(t, "HOST=0.0.0.0", "INTERNAL_TOKEN=inner")
	m.Start(nil, "up")
	m.readyAre(slices.Concat(services.Names(), []string{app.Gateway})...)
	v := visitor{t, m.URL(app.Gateway), client(t)}
	v.askAs("", "GET", "/api/v1/orders", "").refused(t, http.StatusUnauthorized, "token_required", "")
	signed := is[struct{ Token string }](t, v.askAs("", "POST", "/dev/token", `{"subject":"ann"}`), http.StatusOK)
	if a := v.askAs("Bearer "+signed.Token, "GET", "/api/v1/orders", ""); a.status != http.StatusOK {
		t.Errorf("orders of ann: %d %s", a.status, a.body)
	}
	// 127.0.0.2 is this machine, too, and not the address it listens on.
	if reachable(t, "127.0.0.2", m.Port) {
		t.Error("the gateway listens everywhere")
	}
	for n := range services.Names() {
		if !reachable(t, "127.0.0.2", m.Port+n+1) {
			t.Error("HOST is not heeded by", services.Names()[n])
		}
	}
	for name, start := range map[string]func() *machine{
		"up with an issuer": func() *machine {
			m := newMachine(t, append(identity.Env(), "HOST=0.0.0.0", "INTERNAL_TOKEN=inner")...)
			m.Start(nil, "up")
			return m
		},
		"serve": func() *machine {
			m := newMachine(t, "HOST=0.0.0.0", "INTERNAL_TOKEN=inner")
			m.Start(nil, append([]string{"serve", app.Gateway}, services.Names()...)...)
			return m
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := start()
			m.readyAre(slices.Concat(services.Names(), []string{app.Gateway})...)
			if !reachable(t, "127.0.0.2", m.Port) {
				t.Error("HOST is not heeded")
			}
			visitor{t, m.URL(app.Gateway), client(t)}.askAs("", "POST", "/dev/token", `{"subject":"ann"}`).refused(t, http.StatusNotFound, "path_unknown", "")
		})
	}
}

// Whatever says that the shop is a real one, nobody may be anybody in it, unless that is
// asked for.
func TestNoDevelopmentSignInOnRealParts(t *testing.T) {
	cases := map[string][]string{
		"a proxy":                      {"TRUSTED_PROXIES=1"},
		"a service elsewhere":          {"SALES_URL=http://192.0.2.1:8084", "INTERNAL_TOKEN=inner"},
		"the same, if it has no token": {"SALES_URL=http://192.0.2.1:8084"},
	}
	for _, name := range append(services.Names(), app.Gateway) {
		variable := strings.ToUpper(name) + "_DATABASE_URL"
		cases[variable] = []string{variable + "=sqlite:" + t.TempDir() + "/its.db"}
	}
	t.Run("DATABASE_URL", func(t *testing.T) {
		t.Parallel()
		cfg := harness.Real(t)
		signsNobodyIn(t, "DATABASE_URL="+cfg.DatabaseURL, "DATABASE_SCHEMA_PREFIX="+cfg.SchemaPrefix)
	})
	for what, env := range cases {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			signsNobodyIn(t, env...)
		})
	}
	t.Run("--dev", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t, "INTERNAL_TOKEN=inner", "HOST=0.0.0.0")
		m.Start(nil, "up", "--only", app.Gateway, "--dev")
		m.readyAre(app.Gateway)
		is[map[string]any](t, visitor{t, m.URL(app.Gateway), client(t)}.askAs("", "POST", "/dev/token", `{"subject":"ann"}`), http.StatusOK)
		if reachable(t, "127.0.0.2", m.Port) {
			t.Error("the gateway listens everywhere")
		}
	})
}

// signsNobodyIn checks that a gateway with this environment has no sign-in.
func signsNobodyIn(t *testing.T, env ...string) {
	t.Helper()
	m := newMachine(t, env...)
	m.Start(nil, "up", "--only", app.Gateway)
	m.readyAre(app.Gateway)
	v := visitor{t, m.URL(app.Gateway), client(t)}
	for _, method := range []string{"GET", "POST"} {
		v.askAs("", method, "/dev/token", `{"subject":"ann"}`).refused(t, http.StatusNotFound, "path_unknown", "")
	}
}

func reachable(t *testing.T, host string, port int) bool {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
