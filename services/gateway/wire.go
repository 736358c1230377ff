package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"quadrille/internal/app"
	"quadrille/internal/rest"
	"quadrille/pkg/fault"
)

// Config says whom the gateway lets pass, and how long it waits.
type Config struct {
	// Token lets whoever bears it do everything. Where it is empty everybody may, so
	// the gateway must then be reached from this machine alone.
	Token string
	// Timeout bounds a request but for uploads; 25 s where 0. That is below the 30 s
	// after which Heroku's router gives up, so that the caller is told by us.
	Timeout time.Duration
}

func (c Config) withDefaults() Config {
	if c.Timeout == 0 {
		c.Timeout = 25 * time.Second
	}
	return c
}

// New describes the gateway to the runtime.
func New(cfg Config) app.Service {
	return app.Service{Name: app.Gateway, Stateless: true, Build: func(d app.Deps) (app.Parts, error) {
		handler, err := newHandler(d, cfg.withDefaults())
		return app.Parts{Handler: handler}, err
	}}
}

func newHandler(d app.Deps, cfg Config) (http.Handler, error) {
	e := rest.NewBare(d.Log)
	e.GET("/healthz", func(c echo.Context) error { return c.NoContent(http.StatusOK) })
	e.GET("/readyz", rest.Readyz(func(ctx context.Context) []rest.Check {
		return []rest.Check{rest.CheckOf("links", d.Connected(ctx))}
	}))
	api := e.Group(prefix, guard(cfg.Token), rest.Deadline(cfg.Timeout))
	api.RouteNotFound("", nothing)
	api.RouteNotFound("/*", nothing)
	for _, r := range routes() {
		forward, err := newProxy(d, r)
		if err != nil {
			return nil, err
		}
		// Whatever the method: which ones there are is the service's to say.
		api.RouteNotFound(r.path, forward)
		api.RouteNotFound(r.path+"/*", forward)
	}
	return e, nil
}

func nothing(echo.Context) error {
	return fault.New(fault.NotFound, "path_unknown", "there is nothing at this path; the API is below %s", prefix)
}
