package auth

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwk"

	"quadrille/pkg/fault"
)

// TokensConfig says which tokens are accepted. Keys, Issuer, Audience and Algorithms
// are required.
type TokensConfig struct {
	Keys       KeySource
	Issuer     string   // iss must be this
	Audience   string   // aud must have this
	Algorithms []string // of signatures; what a token says it was signed by is not believed beyond these
	RolesClaim string   // where roles are found, "roles" where empty; dots lead into objects where no claim has all of it as its name
	Kind       Kind
	now        func() time.Time
}

// KeySource provides the keys that tokens are signed by.
type KeySource interface {
	// Set is the keys. kid is the one wanted; a source that can looks for it anew
	// where it does not know it. Its errors mean that nobody can tell just now.
	Set(ctx context.Context, kid string) (jwk.Set, error)
}

// Tokens validates JSON Web Tokens (RFC 7519) as RFC 8725 advises: algorithms are
// pinned, issuer and audience must match, and a token must expire.
type Tokens struct{ cfg TokensConfig }

// noKey is an ID that no key has.
const noKey = "\x00"

// errOtherIssuer refuses a token of another issuer, which another Tokens may accept.
var errOtherIssuer = errors.New("token of another issuer")

// NewTokens validates the configuration.
func NewTokens(cfg TokensConfig) (*Tokens, error) {
	switch {
	case cfg.Keys == nil:
		return nil, errors.New("tokens: no keys")
	case cfg.Issuer == "" || cfg.Audience == "":
		return nil, errors.New("tokens: issuer and audience are needed; without them a token that was meant for somebody else would do")
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

// Caller returns the caller that a token identifies. It validates the claims before
// the signature: for a token that has expired, or is for somebody else, the issuer is
// not asked for keys.
func (t *Tokens) Caller(ctx context.Context, token string) (Caller, error) {
	s, err := parseToken(token)
	switch {
	case err != nil:
		return Caller{}, invalid("it is no JSON Web Token")
	case s.claims.text("iss") != t.cfg.Issuer:
		return Caller{}, errOtherIssuer
	case !slices.Contains(t.cfg.Algorithms, s.algorithm):
		return Caller{}, invalid("it is signed by %q, which is not taken here", s.algorithm)
	case s.critical:
		return Caller{}, invalid("it has critical headers (crit), and none is understood here")
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
		keys, err = t.cfg.Keys.Set(ctx, noKey) // it may be by one that is newer
	}
	switch {
	case errors.Is(err, errKeyUnconfirmed):
		return Caller{}, fault.New(fault.Unavailable, "identity_away", "the token is signed by a key that is newer than those known here; try again in a moment")
	case err != nil:
		return Caller{}, fault.New(fault.Unavailable, "identity_away", "whoever issues tokens cannot be reached just now")
	case !s.signedBy(keys):
		return Caller{}, invalid("its signature is not by a key that is known here")
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
	return fault.New(fault.Unauthorized, "token_invalid", "the token is not good: "+format, args...)
}
