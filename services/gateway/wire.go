package gateway

import (
	"context"
	_ "embed"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"quadrille/internal/app"
	"quadrille/internal/audit"
	"quadrille/internal/opsclient"
	"quadrille/services/gateway/answers"
	"quadrille/services/gateway/audits"
	"quadrille/services/gateway/identity"
	"quadrille/services/gateway/keyring"
	"quadrille/services/gateway/limit"
	"quadrille/services/gateway/live"
	salesclient "quadrille/services/sales/client"
)

// Config says whom the gateway knows, what it lets pass, and how long it waits.
type Config struct {
	Issuer IssuerConfig
	// Dev offers the development sign-in: anybody may be anybody.
	Dev bool
	// InternalToken is what the services demand of each other; whoever has it may ask
	// for what is inside. Commands of this machine show what this start of the gateway
	// left in PassFile, where it is set.
	InternalToken string
	PassFile      string

	Origins  []string // pages of these may call; none where empty
	Proxies  int      // of ours in front, each of which adds to X-Forwarded-For
	Address  limit.Rate
	Caller   limit.Rate
	Redis    bool   // rates are counted in Redis, for all instances
	RedisKey string // prefix of the counters' names

	EventsKeep time.Duration // of notes of events; 0: for ever
	// Timeout bounds a request, and an upload from its end on; 25 s where 0. That is
	// below the 30 s after which Heroku's router gives up, so that the caller is told
	// by us.
	Timeout time.Duration
}

func (c Config) withDefaults() Config {
	if c.Timeout == 0 {
		c.Timeout = 25 * time.Second
	}
	return c
}

//go:embed inside.yaml
var inside []byte

// New describes the gateway to the runtime. It has no events of its own.
func New(cfg Config) app.Service {
	cfg = cfg.withDefaults()
	return app.Service{
		Name: app.Gateway, Migrations: migrations, Spec: inside, Silent: true,
		Build: func(d app.Deps) (app.Parts, error) { return build(d, cfg) },
	}
}

// auditWait is how long an audit waits for the shop to come to rest.
const auditWait = 30 * time.Second

func build(d app.Deps, cfg Config) (app.Parts, error) {
	who, dev, err := callers(d, cfg)
	if err != nil {
		return app.Parts{}, err
	}
	limiter, err := limiterOf(d, cfg)
	if err != nil {
		return app.Parts{}, err
	}
	sales, err := salesclient.New(d.URL("sales"), d.HTTP)
	if err != nil {
		return app.Parts{}, err
	}
	store := &answers.Store{DB: d.DB}
	desk := &audits.Desk{DB: d.DB, Log: d.Log, Shop: audit.Config{URL: d.URL, Services: app.Names(), HTTP: d.HTTP}, Wait: auditWait}
	var f *front // which shows the notes, and is asked for lags once it runs
	notes, err := live.New(live.Config{
		DB: d.DB, Log: d.Log, Orders: sales, Keep: cfg.EventsKeep,
		Caller: watcher(addressOf(cfg.Proxies)), Still: still(who.Authenticate), Lags: lags(func(service string) *opsclient.Client { return f.opsOf(service) }),
	})
	if err != nil {
		return app.Parts{}, err
	}
	readers, err := notes.Readers(d)
	if err != nil {
		return app.Parts{}, err
	}
	pass := ""
	if cfg.PassFile != "" {
		if pass, err = app.NewPass(cfg.PassFile); err != nil {
			return app.Parts{}, err
		}
	}
	f, err = newFront(frontConfig{
		Config: cfg, deps: d, pass: pass, who: who.Authenticate, keys: who.Keys, dev: dev, limiter: limiter, sales: sales, answers: store, desk: desk,
		notes: notes,
	})
	if err != nil {
		return app.Parts{}, err
	}
	return app.Parts{
		Front:      func(inside http.Handler) http.Handler { return f.over(inside) },
		Drain:      notes.Drain,
		Readers:    readers,
		Workers:    append(notes.Workers(), pruner(store, d.Log)),
		Everywhere: []func(context.Context) error{desk.Run, notes.Run},
		Routes:     func(e *echo.Echo) { keyRoutes(e.Group(""), keyring.Kept{Rows: who.Keys}) },
	}, nil
}

// callers is whom the gateway knows: people by their issuer's tokens, machines by
// keys, and on a laptop whoever one chooses to be.
func callers(d app.Deps, cfg Config) (*identity.Authenticator, *identity.DevSignIn, error) {
	who := &identity.Authenticator{Keys: &identity.Keys{DB: d.DB, Log: d.Log}}
	if !cfg.Issuer.none() {
		tokens, err := cfg.Issuer.tokens(d.Log)
		if err != nil {
			return nil, nil, err
		}
		who.Tokens = append(who.Tokens, tokens)
	}
	if !cfg.Dev {
		return who, nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), cfg.Timeout)
	defer cancel()
	dev, err := identity.NewDevSignIn(ctx, d.DB)
	if err != nil {
		return nil, nil, err
	}
	who.Tokens = append(who.Tokens, dev.Tokens)
	return who, dev, nil
}

func limiterOf(d app.Deps, cfg Config) (*limit.Limiter, error) {
	if !cfg.Redis {
		return limit.New(nil, "", d.Log), nil
	}
	client, err := d.Redis()
	if err != nil {
		return nil, err
	}
	return limit.New(client, cfg.RedisKey+"rate.", d.Log), nil
}
