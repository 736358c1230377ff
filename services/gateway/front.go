package gateway

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"quadrille/internal/app"
	"quadrille/internal/rest"
	"quadrille/services/gateway/answers"
	"quadrille/services/gateway/audits"
	"quadrille/services/gateway/identity"
	"quadrille/services/gateway/keyring"
	"quadrille/services/gateway/limit"
	"quadrille/services/gateway/live"
	"quadrille/services/gateway/ui"
)

// frontConfig is what the public side is made of.
type frontConfig struct {
	Config

	deps    app.Deps
	pass    string // shown by commands of this machine; empty: by none
	who     authenticate
	keys    *identity.Keys
	dev     *identity.DevSignIn // nil: there is none
	limiter *limit.Limiter
	sales   orderSource
	answers *answers.Store
	desk    *audits.Desk
	notes   *live.Live
}

// front is the gateway as it is seen from outside.
type front struct {
	cfg    frontConfig
	e      *echo.Echo
	inside http.Handler // set by over, before the first request
	// refusals are those of methods, by the path that does not take them.
	refusals map[string]echo.HandlerFunc
}

// Bytes of a body that is taken.
const (
	mostJSON = 1 << 20
	mostCSV  = 64 << 20
)

func newFront(cfg frontConfig) (*front, error) {
	f := &front{cfg: cfg, e: rest.NewBare(cfg.deps.Log, access())}
	r := &rates{limiter: cfg.limiter, byAddress: cfg.Address, byCaller: cfg.Caller, address: f.counted(addressOf(cfg.Proxies)), limited: newLimited()}
	if err := measure(cfg.deps.Metrics, cfg.notes.Open, r.limited); err != nil {
		return nil, err
	}
	f.e.Use(guarded, rest.ReadWithin(cfg.Timeout*4/5), cors(cfg.Origins), r.address429) // the rest of the time is the service's
	pages, err := ui.Handler()
	if err != nil {
		return nil, err
	}
	f.e.RouteNotFound("/*", echo.WrapHandler(pages))
	f.insideRoutes()
	for _, path := range []string{"/api/*", "/dev/*"} {
		f.e.RouteNotFound(path, f.nothing)
	}
	documentRoutes(f.e)
	if cfg.dev != nil {
		devRoutes(f.e, cfg.dev)
	}
	// A stream has no deadline: it goes around what bounds a request's time.
	f.e.Match(reads, prefix+"/events", echo.WrapHandler(cfg.notes.Events()), rest.Text, known(cfg.who), r.caller429)
	uploads := rest.UploadsTo(prefix + "/imports")
	api := f.e.Group(prefix, rest.Text, unpacked, known(cfg.who), r.caller429, answers.Outlive, rest.Deadline(cfg.Timeout, uploads), rest.BodyLimits{Body: mostJSON, CSV: mostCSV, Upload: uploads}.Middleware(), whole)
	api.Match(reads, "/me", getMe)
	again := answers.Middleware(cfg.answers, func(ctx context.Context) string { return identity.Of(ctx).ID() })
	allowed := api.Group("", policy, again)
	keyRoutes(allowed, keyring.Kept{Rows: cfg.keys})
	auditRoutes(allowed, cfg.desk)
	allowed.Match(reads, "/ops/traces", echo.WrapHandler(cfg.notes.Traces()))
	allowed.Match(reads, "/ops/history", echo.WrapHandler(cfg.notes.History()))
	f.servicesRoute(allowed)
	for _, path := range []string{"", "/*"} {
		api.RouteNotFound(path, f.nothing)
	}
	f.refusals = refuseOthers(f.e)
	return f, f.forwarding(allowed)
}

// forwarding is what the services answer for, whatever the method: which ones there
// are is theirs to say.
func (f *front) forwarding(api *echo.Group) error {
	own, err := newOrders(f.cfg.sales)
	if err != nil {
		return err
	}
	before := map[string][]echo.MiddlewareFunc{"/orders": {own.own}, "/customers": {ownWishes}}
	for _, r := range append(routes(), opsRoutes()...) {
		forward, err := f.newProxy(r)
		if err != nil {
			return err
		}
		api.RouteNotFound(r.path, forward, before[r.path]...)
		api.RouteNotFound(r.path+"/*", forward, before[r.path]...)
		if r.path == "/customers" {
			api.RouteNotFound("/wishlist", forward, myWishes)
			api.RouteNotFound("/wishlist/*", forward, myWishes)
		}
	}
	return nil
}

// over is the whole: the public side, and what is inside below /internal.
func (f *front) over(inside http.Handler) http.Handler {
	f.inside = inside
	return f.e
}
