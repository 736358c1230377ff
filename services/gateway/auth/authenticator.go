package auth

import (
	"context"
	"errors"
	"strings"

	"quadrille/pkg/fault"
)

// Authenticator identifies callers. It is safe for concurrent use.
type Authenticator struct {
	Tokens []*Tokens // one for each issuer; the token's issuer selects it
	Keys   *KeyStore // nil: no keys are accepted
}

// Authenticate returns the caller identified by an Authorization header (RFC 6750,
// section 2.1). An empty header gives the anonymous caller. It returns a fault:
// Unauthorized if the credentials are invalid, Unavailable if they cannot be checked
// now.
func (a *Authenticator) Authenticate(ctx context.Context, header string) (Caller, error) {
	if header == "" {
		return Caller{}, nil
	}
	scheme, given, _ := strings.Cut(header, " ")
	given = strings.TrimSpace(given)
	switch {
	case !strings.EqualFold(scheme, "Bearer") || given == "":
		return Caller{}, fault.New(fault.Unauthorized, "token_required", "the Authorization header must be Bearer followed by a token or an API key")
	case strings.HasPrefix(given, keyPrefix) && a.Keys != nil:
		return a.Keys.Caller(ctx, given)
	case len(given) > maxToken:
		return Caller{}, fault.New(fault.Unauthorized, "token_invalid", "the token is longer than %d bytes", maxToken)
	}
	return a.byToken(ctx, given)
}

// maxToken bounds the length of a token in bytes.
const maxToken = 8 << 10

func (a *Authenticator) byToken(ctx context.Context, token string) (Caller, error) {
	for _, t := range a.Tokens {
		caller, err := t.Caller(ctx, token)
		if errors.Is(err, errOtherIssuer) {
			continue
		}
		return caller, err
	}
	return Caller{}, fault.New(fault.Unauthorized, "token_invalid", "the token's issuer (iss) is not accepted here")
}
