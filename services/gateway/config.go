package gateway

import (
	"fmt"
	"time"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/rest"
	"quadrille/services/gateway/auth"
	"quadrille/services/gateway/ratelimit"
)

// Config configures the gateway.
type Config struct {
	// Services are those behind the gateway, in the order of their ports.
	Services []app.Service
	Issuer   auth.IssuerConfig
	// Dev offers the development sign-in, which issues a token for any name.
	Dev bool
	// InternalToken authenticates requests between services and requests to /internal.
	// If LocalTokenFile is set, the gateway writes a fresh token to it at each start;
	// commands on this machine send that one.
	InternalToken  string
	LocalTokenFile string

	Origins  []string // origins whose pages may call the API (CORS); empty: none
	Proxies  int      // trusted proxies in front, each of which appends to X-Forwarded-For
	Address  ratelimit.Rate
	Caller   ratelimit.Rate
	Redis    bool   // count rates in Redis, for all instances
	RedisKey string // prefix of the counters' names in Redis

	EventsKeep time.Duration // retention of recorded events; 0: unlimited
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

// FromConfig converts the configuration from the environment. Its errors name the
// variable at fault.
func FromConfig(c app.Config) (Config, error) {
	cfg := Config{
		Issuer: auth.IssuerConfig{
			JWKS: c.JWKSURL, Key: c.JWTKey, Secret: c.JWTSecret, Issuer: c.JWTIssuer, Audience: c.JWTAudience,
			RolesClaim: c.JWTRolesClaim, Algorithms: c.JWTAlgorithms,
		},
		Dev: c.Dev, InternalToken: c.Token, LocalTokenFile: c.LocalTokenFile(),
		Proxies: c.TrustedProxies, Redis: c.RedisURL != "", RedisKey: c.BusPrefix,
		EventsKeep: c.EventsKeep(), Timeout: c.GatewayTimeout,
	}
	if err := cfg.Issuer.Check(); err != nil {
		return cfg, err
	}
	if c.TrustedProxies < 0 {
		return cfg, fmt.Errorf("TRUSTED_PROXIES %d is negative", c.TrustedProxies)
	}
	if c.Dev && c.TrustedProxies > 0 {
		return cfg, fmt.Errorf("--dev with TRUSTED_PROXIES %d: the development sign-in issues a token for any name, and a proxy would expose it to everybody; drop one of the two", c.TrustedProxies)
	}
	var err error
	if cfg.Origins, err = rest.ParseOrigins(c.CORSOrigins); err != nil {
		return cfg, err
	}
	if cfg.Address, err = rate("RATE_LIMIT_ADDRESS", c.RateAddress); err != nil {
		return cfg, err
	}
	cfg.Caller, err = rate("RATE_LIMIT_CALLER", c.RateCaller)
	return cfg, err
}

func rate(variable, text string) (ratelimit.Rate, error) {
	if text == "" { // the configuration was built in code, not read from the environment
		return ratelimit.Rate{}, nil
	}
	r, err := ratelimit.ParseRate(text)
	if err != nil {
		return r, fmt.Errorf("%s: %w", variable, err)
	}
	return r, nil
}
