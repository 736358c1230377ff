package rest

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"

	"quadrille/pkg/fault"
)

// GuardConfig configures a Guard.
type GuardConfig struct {
	Log *slog.Logger // may be nil
	// Loopback means that only this machine reaches the listener. The guard then always
	// checks the Host, since there may be no other protection such as a token.
	Loopback bool
	// Origins lists the origins that may change state, from CORS_ORIGINS.
	Origins []string
	// AllowedHosts lists the host names of the listener, from ALLOWED_HOSTS. If there are
	// any, the guard checks the Host whatever the listener's address.
	AllowedHosts []string
	// OwnHosts lists further host names, from the configured URLs of the service.
	OwnHosts []string
}

// Guard refuses requests that web pages make without the user's knowledge: a page of another
// origin cannot change state (cross-site request forgery), and a page whose name resolves to
// this machine cannot reach the listener (DNS rebinding). Requests with neither Origin nor
// Sec-Fetch-Site do not come from pages.
type Guard struct {
	cfg          GuardConfig
	trusted      *trusted
	allowed, own hosts
	refusals     http.Handler
}

// NewGuard returns a guard. The error for an invalid configuration names the environment
// variable.
func NewGuard(cfg GuardConfig) (*Guard, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	g := &Guard{cfg: cfg}
	origins, err := ParseOrigins(cfg.Origins)
	if err != nil {
		return nil, err
	}
	if g.trusted, err = newTrusted(origins); err != nil {
		return nil, err
	}
	if g.allowed, err = parseHosts("ALLOWED_HOSTS", cfg.AllowedHosts); err != nil {
		return nil, err
	}
	if g.own, err = parseHosts("HOST or a service's URL", cfg.OwnHosts); err != nil {
		return nil, err
	}
	g.refusals = refusals(cfg.Log)
	return g, nil
}

// Before returns a handler that checks each request and passes allowed ones to next.
func (g *Guard) Before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := g.check(r); err != nil {
			g.refusals.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), refusalKey{}, err)))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (g *Guard) check(r *http.Request) error {
	if !g.knows(r) {
		return fault.New(fault.Misdirected, "host_not_allowed",
			"this listener does not serve the host %.100q; use localhost or its own address, or add the name to ALLOWED_HOSTS", r.Host)
	}
	if err := g.trusted.check(r); err != nil {
		return fault.New(fault.Forbidden, "cross_origin",
			"pages of the origin %.100q must not send this request; CORS_ORIGINS lists the origins that may", r.Header.Get("Origin"))
	}
	return nil
}

// knows reports whether the listener serves the request's Host.
func (g *Guard) knows(r *http.Request) bool {
	switch {
	case !g.cfg.Loopback && g.allowed.empty():
		return true
	case isLoopbackName(r.Host), g.allowed.has(r.Host), g.own.has(r.Host):
		return true
	case r.Host == "" && !r.ProtoAtLeast(1, 1):
		return true // HTTP/1.0 does not require Host, and no browser uses it
	default:
		// Probes of a platform use an address, which is the origin of no foreign page.
		name, _ := splitHost(r.Host)
		return !g.cfg.Loopback && open(r.URL.Path) && isAddress(name)
	}
}

// refusalKey is the context key of the fault of a refused request.
type refusalKey struct{}

// refusals responds with the fault in the request's context, and logs the request like any
// other.
func refusals(log *slog.Logger) http.Handler {
	e := NewBare(log, AccessLog{
		Level: func(echo.Context) slog.Level { return slog.LevelInfo },
		More: func(c echo.Context) []any {
			return []any{"refused", c.Request().Context().Value(refusalKey{}), "host", short(c.Request().Host), "origin", short(c.Request().Header.Get("Origin"))}
		},
	})
	e.Use(func(echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			err, _ := c.Request().Context().Value(refusalKey{}).(error)
			return err
		}
	})
	return e
}
