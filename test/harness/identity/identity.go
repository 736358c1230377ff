// Package identity is an issuer of tokens for tests that ask the gateway.
package identity

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"quadrille/internal/platform/app"
)

// What the issuer is known by.
const (
	issuer   = "https://id.test"
	audience = "quadrille-test"
	secret   = "known to every test, and of no use elsewhere"
)

// Env returns the variables with which a gateway accepts the issuer's tokens and does not
// limit the rate of requests.
func Env() []string {
	return []string{
		"JWT_SECRET=" + secret, "JWT_ISSUER=" + issuer, "JWT_AUDIENCE=" + audience,
		"RATE_LIMIT_ADDRESS=off", "RATE_LIMIT_CALLER=off",
	}
}

// Configure sets in cfg what Env sets in the environment.
func Configure(cfg *app.Config) {
	cfg.JWTSecret, cfg.JWTIssuer, cfg.JWTAudience = secret, issuer, audience
}

// Token returns a token for a person, valid for an hour.
func Token(subject string, roles ...string) string {
	key, err := jwk.Import([]byte(secret))
	if err != nil {
		panic(err) // of a secret that is always the same
	}
	token, err := jwt.NewBuilder().Issuer(issuer).Audience([]string{audience}).Subject(subject).
		Expiration(time.Now().Add(time.Hour)).Claim("roles", roles).Build()
	if err != nil {
		panic(err)
	}
	signed, err := jwt.Sign(token, jwt.WithKey(jwa.HS256(), key))
	if err != nil {
		panic(err)
	}
	return string(signed)
}

// Bearer returns an Authorization header with all roles. Its subject is the customer that
// the path names, if it names one.
func Bearer(path string) string {
	who := "somebody"
	if _, below, is := strings.Cut(path, "/customers/"); is {
		name, _, _ := strings.Cut(below, "/")
		if name, err := url.PathUnescape(name); err == nil && name != "" {
			who = name
		}
	}
	return "Bearer " + Token(who, "warehouse", "staff")
}

// Transport signs requests by Bearer.
type Transport struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", Bearer(r.URL.EscapedPath()))
	return t.RoundTripper.RoundTrip(r)
}
