package gateway

import (
	"fmt"

	"quadrille/internal/app"
	"quadrille/services/gateway/limit"
)

// FromConfig is what the environment says of the gateway. Its errors name the
// variable.
func FromConfig(c app.Config) (Config, error) {
	cfg := Config{
		Issuer: IssuerConfig{
			JWKS: c.JWKSURL, Key: c.JWTKey, Issuer: c.JWTIssuer, Audience: c.JWTAudience,
			RolesClaim: c.JWTRolesClaim, Algorithms: c.JWTAlgorithms,
		},
		Dev: c.Dev, InternalToken: c.Token, PassFile: c.PassFile(),
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
		return cfg, fmt.Errorf("--dev with TRUSTED_PROXIES %d: whoever reaches the development sign-in may be anybody, and a proxy has everybody reach it", c.TrustedProxies)
	}
	var err error
	if cfg.Origins, err = origins(c.CORSOrigins); err != nil {
		return cfg, err
	}
	if cfg.Address, err = rate("RATE_LIMIT_ADDRESS", c.RateAddress); err != nil {
		return cfg, err
	}
	cfg.Caller, err = rate("RATE_LIMIT_CALLER", c.RateCaller)
	return cfg, err
}

func rate(variable, text string) (limit.Rate, error) {
	if text == "" { // a configuration that was not read from the environment
		return limit.Rate{}, nil
	}
	r, err := limit.ParseRate(text)
	if err != nil {
		return r, fmt.Errorf("%s: %w", variable, err)
	}
	return r, nil
}
