package app

import (
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"quadrille/internal/platform/db/dbtest"
)

// plain returns a service that does nothing.
func plain(name string) Service {
	return Service{
		Name: name, ConsumerOnly: true, Migrations: dbtest.NoTables(), Spec: []byte("{openapi: 3.0.3, info: {title: t, version: v}, paths: {}}"),
		Build: func(Deps) (Components, error) { return Components{}, nil },
	}
}

// bound opens a listener.
func bound(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Skip("this machine has no address", address, err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// routed returns an address of this machine that other machines reach.
func routed(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if n, is := a.(*net.IPNet); is && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	t.Skip("this machine has loopback addresses only")
	return ""
}

// No service opens an address that other machines reach without a token, in any spelling. The
// error says what to set.
func TestOpenAddressesNeedAToken(t *testing.T) {
	for what, address := range map[string]func(*testing.T) string{
		"every IPv4 address":     func(*testing.T) string { return "0.0.0.0:0" },
		"every address":          func(*testing.T) string { return "[::]:0" },
		"no host":                func(*testing.T) string { return ":0" },
		"a mapped wildcard":      func(*testing.T) string { return "[::ffff:0.0.0.0]:0" },
		"an address of its own":  func(t *testing.T) string { return net.JoinHostPort(routed(t), "0") },
		"its own, mapped":        func(t *testing.T) string { return net.JoinHostPort("::ffff:"+routed(t), "0") },
		"loopback, then another": nil,
	} {
		for _, service := range []string{Gateway, "sales"} {
			t.Run(what+" of "+service, func(t *testing.T) {
				services, listeners := []Service{plain(service)}, map[string]net.Listener{}
				if address == nil {
					services = []Service{plain("stats"), plain(service)}
					listeners["stats"], listeners[service] = bound(t, "127.0.0.1:0"), bound(t, "0.0.0.0:0")
				} else {
					listeners[service] = bound(t, address(t))
				}
				cfg := Config{Services: shopServices(), Data: t.TempDir(), Listeners: listeners}
				shop, err := Start(t.Context(), cfg, slog.New(slog.DiscardHandler), services)
				if err == nil {
					t.Fatal("it starts", shop.Stop())
				}
				if !strings.Contains(err.Error(), "INTERNAL_TOKEN is not set") || !strings.Contains(err.Error(), service) {
					t.Error(err)
				}
				for name, l := range listeners {
					if conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String()); err == nil {
						_ = conn.Close()
						t.Errorf("%s is open at %s", name, l.Addr())
					}
				}
				cfg.Token = "a-secret-of-all-processes"
				for name := range listeners {
					_, port, _ := net.SplitHostPort(listeners[name].Addr().String())
					host, _, _ := net.SplitHostPort(listeners[name].Addr().String())
					cfg.Listeners[name] = bound(t, net.JoinHostPort(host, port))
				}
				if shop, err = Start(t.Context(), cfg, slog.New(slog.DiscardHandler), services); err != nil {
					t.Fatal("with a token:", err)
				}
				if err := shop.Stop(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// The check resolves HOST: the actual address of the listener counts.
func TestHostsThatAreLoopback(t *testing.T) {
	for _, host := range []string{"", "127.0.0.1", "localhost", "127.8.9.10", "::1", "::ffff:127.0.0.1"} {
		t.Run(host, func(t *testing.T) {
			free := bound(t, "127.0.0.1:0")
			port := free.Addr().(*net.TCPAddr).Port
			_ = free.Close()
			cfg := Config{Services: shopServices(), Data: t.TempDir(), Host: host, Port: port}
			if host == "::1" {
				bound(t, "[::1]:0")
			}
			shop, err := Start(t.Context(), cfg, slog.New(slog.DiscardHandler), []Service{plain(Gateway)})
			if err != nil {
				t.Fatal(err)
			}
			defer shop.Stop()
			at := shop.Listening(Gateway)
			if at == nil || at.(*net.TCPAddr).Port != port || !isLoopback(at) || shop.Listening("sales") != nil {
				t.Errorf("it listens on %v", at)
			}
		})
	}
	cfg := Config{Services: shopServices(), Data: t.TempDir(), Host: "no-such-host.invalid", Port: 1}
	if _, err := Start(t.Context(), cfg, slog.New(slog.DiscardHandler), []Service{plain(Gateway)}); err == nil || !strings.Contains(err.Error(), "set HOST to an address of this machine") {
		t.Errorf("a host that is unknown: %v", err)
	}
}

// The development sign-in is refused on any listener but loopback.
func TestRefusesAnExposedDevelopmentSignIn(t *testing.T) {
	l := bound(t, "0.0.0.0:0")
	cfg := Config{Services: shopServices(), Data: t.TempDir(), Dev: true, Token: "a-secret-of-all-processes", Listeners: map[string]net.Listener{Gateway: l}}
	if _, err := Start(t.Context(), cfg, slog.New(slog.DiscardHandler), []Service{plain(Gateway)}); err == nil || !strings.Contains(err.Error(), "development sign-in") {
		t.Errorf("it is %v", err)
	}
}

func TestRefusesInvalidTokens(t *testing.T) {
	for token, want := range map[string]string{
		"": "", "inner": "", "a.B-c_d~e+f/g==": "",
		" ": "is blank", "\t\n": "is blank", "\u00a0": "is blank",
		"s3cret ": "white space", " s3cret": "white space", "s3cret\n": "white space", "two\ns3cret": "control characters", "s3cret\x7f": "control characters",
		"a secret of several words": "", "schlüssel": "",
	} {
		t.Run(strconv.Quote(token), func(t *testing.T) {
			environment(t, "INTERNAL_TOKEN="+token)
			_, err := FromEnvironment(shopServices())
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret")) {
				t.Errorf("it is %v, want %q", err, want)
			}
		})
	}
}

// Every process refuses invalid CORS_ORIGINS and ALLOWED_HOSTS at start, not only the gateway.
func TestOriginsAndHostsAreCheckedAtTheStart(t *testing.T) {
	for set, want := range map[string]string{
		"CORS_ORIGINS=": "", "ALLOWED_HOSTS=": "", "CORS_ORIGINS=https://shop.example,*": "", "ALLOWED_HOSTS=shop.example, api.shop.example:8443": "",
		"CORS_ORIGINS=shop.example": "CORS_ORIGINS", "ALLOWED_HOSTS=https://shop.example": "ALLOWED_HOSTS", "ALLOWED_HOSTS=*": "ALLOWED_HOSTS",
	} {
		t.Run(set, func(t *testing.T) {
			environment(t, set)
			_, err := FromEnvironment(shopServices())
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("it is %v, want %q", err, want)
			}
		})
	}
}

// The guard protects a shop's listeners from the first moment, with the hosts of the
// configuration. RPC has no listener.
func TestListenersAreGuarded(t *testing.T) {
	l := bound(t, "127.0.0.1:0")
	cfg := Config{
		Services: shopServices(), Data: t.TempDir(), Listeners: map[string]net.Listener{"sales": l}, CORSOrigins: []string{"https://shop.example"}, AllowedHosts: []string{"shop.example"},
		ServiceURLs: map[string]string{"sales": "http://sales.test:8084", "stats": "http://stats.test:8085"},
	}
	shop, err := Start(t.Context(), cfg, slog.New(slog.DiscardHandler), []Service{plain("sales")})
	if err != nil {
		t.Fatal(err)
	}
	defer shop.Stop()
	ask := func(method, host, origin string) int {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+l.Addr().String()+"/subscriptions", nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Host = host; origin != "" {
			r.Header.Set("Origin", origin)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	for host, want := range map[string]int{"": 200, "localhost": 200, "sales.test:8084": 200, "shop.example": 200, "stats.test:8085": 421, "evil.example": 421} {
		if got := ask(http.MethodGet, host, ""); got != want {
			t.Errorf("host %q: %d, want %d", host, got, want)
		}
	}
	for origin, want := range map[string]int{"": 405, "https://shop.example": 405, "https://evil.example": 403} {
		if got := ask(http.MethodPost, "", origin); got != want {
			t.Errorf("origin %q: %d, want %d", origin, got, want)
		}
	}
}
