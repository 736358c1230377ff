package auth

import (
	"context"
	"errors"
	"strings"

	"quadrille/pkg/fault"
)

// Authenticator identifies callers. It is safe for concurrent use.
type Authenticator struct {
	Tokens []*Tokens // tried in turn, by issuer
	Keys   *KeyStore // nil: no keys are accepted
}

// Authenticate returns the caller that sends this Authorization header (RFC 6750,
// section 2.1); without one the caller is anonymous. It returns a fault: Unauthorized
// where the credentials are not valid, Unavailable where they cannot be checked now.
func (a *Authenticator) Authenticate(ctx context.Context, header string) (Caller, error) {
	if header == "" {
		return Caller{}, nil
	}
	scheme, given, _ := strings.Cut(header, " ")
	given = strings.TrimSpace(given)
	switch {
	case !strings.EqualFold(scheme, "Bearer") || given == "":
		return Caller{}, fault.New(fault.Unauthorized, "token_required", "the header Authorization must be: Bearer, and a token or an API key")
	case strings.HasPrefix(given, keyPrefix) && a.Keys != nil:
		return a.Keys.Caller(ctx, given)
	case len(given) > maxToken:
		return Caller{}, fault.New(fault.Unauthorized, "token_invalid", "the token is longer than %d bytes", maxToken)
	}
	return a.byToken(ctx, given)
}

// maxToken bounds a token in bytes.
const maxToken = 8 << 10

func (a *Authenticator) byToken(ctx context.Context, token string) (Caller, error) {
	for _, t := range a.Tokens {
		caller, err := t.Caller(ctx, token)
		if errors.Is(err, errOtherIssuer) {
			continue
		}
		return caller, err
	}
	return Caller{}, fault.New(fault.Unauthorized, "token_invalid", "the token is of no issuer that is known here")
}
