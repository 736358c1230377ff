package gateway

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"quadrille/internal/app"
	"quadrille/internal/rest"
)

// New describes the gateway to the runtime. Whoever has the token may do
// everything; without a token everybody may, so it must then be reached from this
// machine alone.
func New(token string) app.Service {
	return app.Service{Name: app.Gateway, Stateless: true, Build: func(d app.Deps) (app.Parts, error) {
		handler, err := newHandler(d, token)
		return app.Parts{Handler: handler}, err
	}}
}

func newHandler(d app.Deps, token string) (http.Handler, error) {
	e := rest.NewBare(d.Log)
	e.GET("/healthz", func(c echo.Context) error { return c.NoContent(http.StatusOK) })
	e.GET("/readyz", rest.Readyz(func(ctx context.Context) []rest.Check {
		return []rest.Check{rest.CheckOf("links", d.Connected(ctx))}
	}))
	api := e.Group(prefix, guard(token), rest.Deadline(requestTimeout))
	for _, r := range routes() {
		forward, err := newProxy(d, r)
		if err != nil {
			return nil, err
		}
		api.Any(r.path, forward)
		api.Any(r.path+"/*", forward)
	}
	return e, nil
}
