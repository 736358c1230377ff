package rest

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"

	"quadrille/pkg/fault"
)

// GuardConfig says which requests of browsers a listener takes.
type GuardConfig struct {
	Log *slog.Logger // nil: nothing is logged
	// Loopback is whether only this machine reaches the listener. Nothing else may keep
	// requests out there, so that their Host is always checked.
	Loopback bool
	// Origins are the pages that may change things, as CORS_ORIGINS lists them.
	Origins []string
	// AllowedHosts are the names that the listener goes by, as ALLOWED_HOSTS lists them.
	// Where there are any, the Host is checked whatever the listener's address.
	AllowedHosts []string
	// OwnHosts are further names, by which the configuration has others call.
	OwnHosts []string
}

// Guard keeps web pages from using a listener behind the back of who looks at them:
// a page of another origin changes nothing (cross-site request forgery), and a page
// that has its own name resolve to this machine reaches nothing (DNS rebinding).
// Programs that send neither Origin nor Sec-Fetch-Site are no pages.
type Guard struct {
	cfg          GuardConfig
	trusted      *trusted
	allowed, own hosts
	refusals     http.Handler
}

// NewGuard checks the configuration. Its errors name the variable.
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

// Before has the guard look at each request before next does.
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
			"this listener does not go by the name %.100q; call it as localhost or by its own address, or have ALLOWED_HOSTS list the name", r.Host)
	}
	if err := g.trusted.check(r); err != nil {
		return fault.New(fault.Forbidden, "cross_origin",
			"a page of another origin (%.100q) must not send this; CORS_ORIGINS lists the origins that may", r.Header.Get("Origin"))
	}
	return nil
}

// knows reports whether the request is for this listener, by its Host.
func (g *Guard) knows(r *http.Request) bool {
	switch {
	case !g.cfg.Loopback && g.allowed.empty():
		return true
	case isLoopbackName(r.Host), g.allowed.has(r.Host), g.own.has(r.Host):
		return true
	case r.Host == "" && !r.ProtoAtLeast(1, 1):
		return true // HTTP/1.0 does without, and no browser speaks it
	default:
		// Probes of a platform call by address, under which no page of another is found.
		name, _ := splitHost(r.Host)
		return !g.cfg.Loopback && open(r.URL.Path) && isAddress(name)
	}
}

// refusalKey is why a request is refused, in its context.
type refusalKey struct{}

// refusals answers requests with the fault in their context, and logs each like any
// other request.
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
