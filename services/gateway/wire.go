package gateway

import (
	"context"
	_ "embed"
	"time"

	"github.com/labstack/echo/v4"

	"quadrille/internal/platform/app"
	"quadrille/internal/shop/audit"
	"quadrille/services/gateway/activity"
	"quadrille/services/gateway/auth"
	"quadrille/services/gateway/edge"
	"quadrille/services/gateway/idempotency"
	"quadrille/services/gateway/ratelimit"
	salesclient "quadrille/services/sales/client"
)

//go:embed openapi.yaml
var document []byte

//go:embed internal.yaml
var internalDocument []byte

// InFrontOf returns the gateway of these services, configured from the environment, and
// then the services. It checks the list: names, streams and public paths.
func InFrontOf(services []app.Service, c app.Config) ([]app.Service, error) {
	if err := app.CheckServices(services); err != nil {
		return nil, err
	}
	cfg, err := FromConfig(c)
	if err != nil {
		return nil, err
	}
	cfg.Services = services
	return append([]app.Service{New(cfg)}, services...), nil
}

// New returns the gateway as a service of the runtime. The gateway publishes no events, and
// reads those of all services.
func New(cfg Config) app.Service {
	return app.Service{
		Name: app.Gateway, Migrations: migrations, Spec: internalDocument, ConsumerOnly: true, Reads: app.Streams(cfg.Services), Tables: tables(),
		Build: func(d app.Deps) (app.Components, error) { return build(d, cfg.withDefaults()) },
	}
}

// auditWait bounds how long an audit waits for the services to process all pending
// events.
const auditWait = 30 * time.Second

// build creates the gateway's components. The order follows what each one needs:
// upstreams, activity, edge.
func build(d app.Deps, cfg Config) (app.Components, error) {
	callers, dev, err := newAuthenticator(d, cfg)
	if err != nil {
		return app.Components{}, err
	}
	limiter, err := newLimiter(d, cfg)
	if err != nil {
		return app.Components{}, err
	}
	sales, err := salesclient.New(d.URL("sales"), d.HTTP)
	if err != nil {
		return app.Components{}, err
	}
	upstreams := edge.NewUpstreams(edge.UpstreamsConfig{HTTP: d.HTTP, URL: d.URL, Services: app.Names(cfg.Services), InternalToken: cfg.InternalToken})
	recorded, err := activity.New(activity.Config{
		DB: d.DB, Log: d.Log, Sales: sales, Keep: cfg.EventsKeep,
		Caller: edge.StreamCaller(edge.ClientAddress(cfg.Proxies)), StillValid: edge.StillValid(callers.Authenticate), Lags: upstreams.Lags, Streams: app.Streams(cfg.Services),
	})
	if err != nil {
		return app.Components{}, err
	}
	consumers, err := recorded.Consumers(d)
	if err != nil {
		return app.Components{}, err
	}
	localToken := ""
	if cfg.LocalTokenFile != "" {
		if localToken, err = app.NewLocalToken(cfg.LocalTokenFile); err != nil {
			return app.Components{}, err
		}
	}
	answers := &idempotency.Store{DB: d.DB}
	audits := &edge.AuditRunner{DB: d.DB, Log: d.Log, Shop: audit.Config{URL: d.URL, Services: app.Names(cfg.Services), Optional: app.ConsumersOnly(cfg.Services), HTTP: d.HTTP}, Wait: auditWait}
	server, err := edge.New(edge.Config{
		Log: d.Log, Metrics: d.Metrics, Upstreams: upstreams, Services: cfg.Services, Document: document,
		Authenticate: callers.Authenticate, Keys: callers.Keys, Dev: dev, Limiter: limiter,
		Sales: sales, Answers: answers, Audits: audits, Activity: recorded,
		InternalToken: cfg.InternalToken, LocalToken: localToken,
		Origins: cfg.Origins, Proxies: cfg.Proxies, Address: cfg.Address, Caller: cfg.Caller, Timeout: cfg.Timeout,
	})
	if err != nil {
		return app.Components{}, err
	}
	return app.Components{
		Front:       server.Handler,
		Drain:       recorded.Drain,
		Consumers:   consumers,
		Workers:     recorded.Workers(),
		Tasks:       append(recorded.Tasks(), tasks(d.Keep)...),
		PerInstance: []func(context.Context) error{audits.Run, recorded.Run},
		Routes:      func(e *echo.Echo) { edge.KeyRoutes(e.Group(""), auth.LocalKeys{Store: callers.Keys}) },
	}, nil
}

// newAuthenticator returns an Authenticator that accepts API keys and tokens of the
// configured issuer. With Dev it also accepts tokens of the development sign-in and
// returns the sign-in; otherwise the sign-in is nil.
func newAuthenticator(d app.Deps, cfg Config) (*auth.Authenticator, *auth.DevSignIn, error) {
	callers := &auth.Authenticator{Keys: &auth.KeyStore{DB: d.DB, Log: d.Log}}
	if !cfg.Issuer.IsZero() {
		tokens, err := cfg.Issuer.NewTokens(d.Log)
		if err != nil {
			return nil, nil, err
		}
		callers.Tokens = append(callers.Tokens, tokens)
	}
	if !cfg.Dev {
		return callers, nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), cfg.Timeout)
	defer cancel()
	dev, err := auth.NewDevSignIn(ctx, d.DB)
	if err != nil {
		return nil, nil, err
	}
	callers.Tokens = append(callers.Tokens, dev.Tokens)
	return callers, dev, nil
}

// newLimiter returns a limiter that counts in Redis if it is configured, otherwise in
// this process.
func newLimiter(d app.Deps, cfg Config) (*ratelimit.Limiter, error) {
	if !cfg.Redis {
		return ratelimit.New(nil, "", d.Log), nil
	}
	client, err := d.Redis()
	if err != nil {
		return nil, err
	}
	return ratelimit.New(client, cfg.RedisKey+"rate.", d.Log), nil
}
