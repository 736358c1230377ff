package auth

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwk"

	"quadrille/pkg/fault"
)

// TokensConfig configures the accepted tokens. Keys, Issuer, Audience and Algorithms
// are required.
type TokensConfig struct {
	Keys       KeySource
	Issuer     string   // required value of iss
	Audience   string   // required in aud
	Algorithms []string // accepted signature algorithms
	// RolesClaim is the claim with the roles; "roles" where empty. If no claim has this
	// name, its dots are steps into nested objects: realm_access.roles.
	RolesClaim string
	Kind       Kind // of the callers
	now        func() time.Time
}

// KeySource provides the keys that verify tokens.
type KeySource interface {
	// Set returns the keys. kid is the ID of the required key: a source that does not
	// have it may fetch the keys again. An error means that the keys cannot be
	// determined now.
	Set(ctx context.Context, kid string) (jwk.Set, error)
}

// Tokens validates JSON Web Tokens (RFC 7519) as RFC 8725 advises: algorithms are
// pinned, issuer and audience must match, and a token must have an expiry. It is safe
// for concurrent use.
type Tokens struct{ cfg TokensConfig }

// noKey is an ID that no key has. A KeySource asked for it fetches the keys again.
const noKey = "\x00"

// errOtherIssuer rejects a token of another issuer. Another Tokens may accept it.
var errOtherIssuer = errors.New("token of another issuer")

// NewTokens creates a Tokens. It returns an error if a required value is missing.
func NewTokens(cfg TokensConfig) (*Tokens, error) {
	switch {
	case cfg.Keys == nil:
		return nil, errors.New("tokens: no keys")
	case cfg.Issuer == "" || cfg.Audience == "":
		return nil, errors.New("tokens: issuer and audience are required; without them tokens issued for other applications would be accepted")
	case len(cfg.Algorithms) == 0:
		return nil, errors.New("tokens: no algorithms")
	}
	if cfg.RolesClaim == "" {
		cfg.RolesClaim = "roles"
	}
	if cfg.now == nil {
		cfg.now = time.Now
	}
	return &Tokens{cfg: cfg}, nil
}

// Caller returns the caller that a token identifies. It returns errOtherIssuer for a token
// of another issuer, and a fault: Unauthorized if the token is invalid, Unavailable if
// the keys cannot be determined now. It validates the claims before the signature, so
// that a token that has expired or is for another audience causes no fetch of keys.
func (t *Tokens) Caller(ctx context.Context, token string) (Caller, error) {
	s, err := parseToken(token)
	switch {
	case err != nil:
		return Caller{}, invalid("it is not a JSON Web Token")
	case s.claims.text("iss") != t.cfg.Issuer:
		return Caller{}, errOtherIssuer
	case !slices.Contains(t.cfg.Algorithms, s.algorithm):
		return Caller{}, invalid("its signature algorithm %q is not accepted here", s.algorithm)
	case s.critical:
		return Caller{}, invalid("it has critical headers (crit), which are not supported here")
	}
	if err := s.claims.validate(t.cfg.Audience, t.cfg.now()); err != nil {
		return Caller{}, err
	}
	caller, err := t.caller(s.claims)
	if err != nil {
		return Caller{}, err
	}
	keys, err := t.cfg.Keys.Set(ctx, s.kid)
	if err == nil && s.kid == "" && !s.signedBy(keys) {
		keys, err = t.cfg.Keys.Set(ctx, noKey) // the token names no key; its key may be newer than the cached ones
	}
	switch {
	case errors.Is(err, errKeyUnconfirmed):
		return Caller{}, fault.New(fault.Unavailable, "identity_away", "the token's signing key is not known yet; try again in a moment")
	case err != nil:
		return Caller{}, fault.New(fault.Unavailable, "identity_away", "the token cannot be verified now: the keys of its issuer are unavailable")
	case !s.signedBy(keys):
		return Caller{}, invalid("its signature does not match a key of its issuer")
	}
	return caller, nil
}

// caller returns the caller that the claims name.
func (t *Tokens) caller(c claimSet) (Caller, error) {
	subject := c.text("sub")
	if !isSubject(subject) {
		return Caller{}, invalid("its subject (sub) is not %s", subjectRule)
	}
	end, err := c.time("exp")
	return Caller{Kind: t.cfg.Kind, Subject: subject, Roles: c.roles(t.cfg.RolesClaim), ExpiresAt: end}, err
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Unauthorized, "token_invalid", "the token is invalid: "+format, args...)
}
