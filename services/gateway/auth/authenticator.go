package auth

import (
	"context"
	"errors"
	"strings"

	"quadrille/pkg/fault"
)

// Authenticator finds out who calls. It is safe for concurrent use.
type Authenticator struct {
	Tokens []*Tokens // tried in turn, by issuer
	Keys   *KeyStore // nil: none are taken
}

// Authenticate is who sends this Authorization header (RFC 6750, section 2.1); none
// is anybody. Its errors are faults: Unauthorized where the credentials are not
// good, Unavailable where nobody can tell just now.
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

// maxToken bounds what is looked at, in bytes.
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
