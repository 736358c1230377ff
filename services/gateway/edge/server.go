package edge

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/rest"
	"quadrille/services/gateway/activity"
	"quadrille/services/gateway/auth"
	"quadrille/services/gateway/idempotency"
	"quadrille/services/gateway/ratelimit"
	"quadrille/services/gateway/ui"
)

// Config configures a Server. Log, Upstreams, Authenticate, Keys, Limiter, Sales,
// Answers, Audits and Activity are required.
type Config struct {
	Log       *slog.Logger
	Metrics   prometheus.Registerer // nil: none are registered
	Upstreams *Upstreams
	Services  []app.Service // those behind the gateway, of a list that app.CheckServices accepts
	Document  []byte        // the OpenAPI document of the public API

	Authenticate Authenticate
	Keys         *auth.KeyStore
	Dev          *auth.DevSignIn // nil: the development sign-in is not offered
	Limiter      *ratelimit.Limiter
	Sales        OrderSource
	Answers      *idempotency.Store
	Audits       *AuditRunner
	Activity     *activity.Service

	// Either token gives access to /internal. An empty token is never accepted.
	InternalToken string // INTERNAL_TOKEN
	LocalToken    string // written at start for commands on this machine

	Origins []string // origins whose pages may call the API (CORS); empty: none
	Proxies int      // trusted proxies in front, each of which appends to X-Forwarded-For
	Address ratelimit.Rate
	Caller  ratelimit.Rate
	// Timeout bounds a request; for an upload it starts when the body was received. The
	// default, 25 s, is below the 30 s of Heroku's router, so that the caller gets the
	// gateway's response and not the router's.
	Timeout time.Duration
}

func (c Config) withDefaults() Config {
	if c.Timeout == 0 {
		c.Timeout = 25 * time.Second
	}
	return c
}

// Server serves the public side of the gateway.
type Server struct {
	cfg      Config
	e        *echo.Echo
	routes   routeTable
	public   publicPaths
	internal http.Handler // set by Handler, before the first request
	// refusals holds the handlers of unsupported methods, by the path of the route.
	refusals map[string]echo.HandlerFunc
}

// Maximum size of a request body in bytes.
const (
	maxJSON = 1 << 20
	maxCSV  = 64 << 20
)

// New creates a Server and registers its metrics. It returns an error if the document and the
// public paths of the services contradict each other.
func New(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	s := &Server{cfg: cfg, e: rest.NewBare(cfg.Log, accessLog()), routes: newRouteTable(cfg.Services)}
	var err error
	if s.public, err = readPublicPaths(cfg.Document); err != nil {
		return nil, err
	}
	if err := s.public.check(s.routes); err != nil {
		return nil, err
	}
	r := &rateLimits{limiter: cfg.Limiter, byAddress: cfg.Address, byCaller: cfg.Caller, address: s.rateKey(ClientAddress(cfg.Proxies)), limited: newLimitedCounter()}
	if err := registerMetrics(cfg.Metrics, cfg.Activity.Open, r.limited); err != nil {
		return nil, err
	}
	// Reading a request may take 4/5 of its time; the rest is for the service.
	s.e.Use(securityHeaders, rest.ReadWithin(cfg.Timeout*4/5), cors(cfg.Origins), r.limitAddress)
	pages, err := ui.Handler()
	if err != nil {
		return nil, err
	}
	s.e.RouteNotFound("/*", echo.WrapHandler(pages))
	s.internalRoutes()
	for _, path := range []string{"/api/*", "/dev/*"} {
		s.e.RouteNotFound(path, s.notFound)
	}
	documentRoutes(s.e, cfg.Document)
	if cfg.Dev != nil {
		devRoutes(s.e, cfg.Dev)
	}
	if err := s.apiRoutes(r); err != nil {
		return nil, err
	}
	s.refusals = refuseOthers(s.e)
	return s, nil
}

// apiRoutes adds the routes of the public API.
func (s *Server) apiRoutes(r *rateLimits) error {
	cfg := s.cfg
	// A stream has no deadline, so it is not in the group, which bounds a request's time.
	s.e.Match(readMethods, prefix+"/events", echo.WrapHandler(cfg.Activity.Events()), rest.Text, authenticate(cfg.Authenticate), r.limitCaller)
	uploads := rest.UploadsTo(prefix + "/imports")
	api := s.e.Group(prefix, rest.Text, rejectEncoded, authenticate(cfg.Authenticate), r.limitCaller, idempotency.Outlive, rest.Deadline(cfg.Timeout, uploads),
		rest.BodyLimits{Body: maxJSON, CSV: maxCSV, Upload: uploads}.Middleware(), blameSender)
	api.Match(readMethods, "/me", getMe)
	replay := idempotency.Middleware(cfg.Answers, func(ctx context.Context) string { return auth.CallerFrom(ctx).ID() })
	operations := api.Group("", requireStaff, replay)
	KeyRoutes(operations, auth.LocalKeys{Store: cfg.Keys})
	auditRoutes(operations, cfg.Audits)
	operations.Match(readMethods, "/ops/traces", echo.WrapHandler(cfg.Activity.Traces()))
	operations.Match(readMethods, "/ops/history", echo.WrapHandler(cfg.Activity.History()))
	s.servicesRoute(operations)
	for _, path := range []string{"", "/*"} {
		api.RouteNotFound(path, s.notFound)
	}
	return s.proxyRoutes(api, replay)
}

// proxyRoutes forwards the public operations of the services. replay comes after the caller's
// role was checked.
func (s *Server) proxyRoutes(api *echo.Group, replay echo.MiddlewareFunc) error {
	orders, err := newOrderGuard(s.cfg.Sales)
	if err != nil {
		return err
	}
	for _, r := range s.routes {
		target := r.target()
		forward, err := s.newProxy(target)
		if err != nil {
			return err
		}
		before := []echo.MiddlewareFunc{s.admit(r), replay}
		if r.named != "" {
			before = append(before, toOwn(r))
		}
		if app.Segments(r.path)[0] == "orders" {
			before = append(before, orders.requireOwn)
		}
		if _, has := target.customerOf(nil); has {
			before = append(before, requireOwnName(target))
		}
		forwardBelow(api, r.path, forward, before...)
	}
	return nil
}

// forwardBelow has a handler answer at a path and below it.
func forwardBelow(api *echo.Group, path string, forward echo.HandlerFunc, before ...echo.MiddlewareFunc) {
	api.RouteNotFound(echoPath(path), forward, before...)
	api.RouteNotFound(echoPath(path)+"/*", forward, before...)
}

// Handler returns the public handler. internal is the API that the gateway has like every
// service; it handles requests to /internal with a token.
func (s *Server) Handler(internal http.Handler) http.Handler {
	s.internal = internal
	s.cfg.Upstreams.setSelf(internal)
	return s.e
}

// documentRoutes publishes the OpenAPI document, and redirects there from
// /openapi.yaml and /docs.
func documentRoutes(e *echo.Echo, document []byte) {
	rest.Publish(e, prefix, document)
	for _, path := range []string{"/openapi.yaml", "/docs"} {
		e.Match(readMethods, path, func(c echo.Context) error {
			return c.Redirect(http.StatusPermanentRedirect, prefix+path)
		})
	}
}
