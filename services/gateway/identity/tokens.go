package identity

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"quadrille/pkg/fault"
)

// TokensConfig says which tokens are good.
type TokensConfig struct {
	Keys       KeySource
	Issuer     string   // iss must be this
	Audience   string   // aud must have this
	Algorithms []string // of signatures; what a token says it was signed by is not believed beyond these
	RolesClaim string   // where roles are found, "roles" where empty; dots lead into objects
	Kind       Kind
}

// KeySource has the keys that tokens are signed by.
type KeySource interface {
	// Set is the keys. kid is the one wanted; a source that can looks for it anew
	// where it does not know it. Its errors mean that nobody can tell just now.
	Set(ctx context.Context, kid string) (jwk.Set, error)
}

// Tokens checks JSON Web Tokens (RFC 7519) as RFC 8725 advises: algorithms are
// pinned, issuer and audience must fit, and a token without an end is none.
type Tokens struct{ cfg TokensConfig }

// skew is how far the issuer's clock may differ from ours.
const skew = 30 * time.Second

// errOtherIssuer: the token is somebody else's to judge.
var errOtherIssuer = errors.New("token of another issuer")

// NewTokens checks the configuration.
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
	return &Tokens{cfg: cfg}, nil
}

// Caller is whose token it is.
func (t *Tokens) Caller(ctx context.Context, token string) (Caller, error) {
	algorithm, kid, err := signedBy(token)
	if err != nil {
		return Caller{}, invalid("it is no JSON Web Token")
	}
	if issuer := t.claimed(token); issuer != t.cfg.Issuer {
		return Caller{}, errOtherIssuer
	}
	if !slices.Contains(t.cfg.Algorithms, algorithm) {
		return Caller{}, invalid("it is signed by %q, which is not taken here", algorithm)
	}
	keys, err := t.cfg.Keys.Set(ctx, kid)
	if err != nil {
		return Caller{}, fault.New(fault.Unavailable, "identity_away", "whoever issues tokens cannot be reached just now")
	}
	good, err := jwt.Parse([]byte(token),
		jwt.WithKeySet(keys, jws.WithInferAlgorithmFromKey(true), jws.WithRequireKid(false)),
		jwt.WithIssuer(t.cfg.Issuer), jwt.WithAudience(t.cfg.Audience), jwt.WithRequiredClaim(jwt.ExpirationKey), jwt.WithAcceptableSkew(skew))
	if err != nil {
		return Caller{}, explained(err)
	}
	return t.callerOf(good)
}

// claimed is the issuer that a token names, unchecked.
func (t *Tokens) claimed(token string) string {
	unchecked, err := jwt.ParseInsecure([]byte(token))
	if err != nil {
		return ""
	}
	issuer, _ := unchecked.Issuer()
	return issuer
}

// signedBy is the algorithm and the key that a token names.
func signedBy(token string) (algorithm, kid string, err error) {
	message, err := jws.Parse([]byte(token), jws.WithCompact())
	if err != nil {
		return "", "", err
	}
	if len(message.Signatures()) != 1 {
		return "", "", fmt.Errorf("%d signatures", len(message.Signatures()))
	}
	headers := message.Signatures()[0].ProtectedHeaders()
	if a, has := headers.Algorithm(); has {
		algorithm = a.String()
	}
	kid, _ = headers.KeyID()
	return algorithm, kid, nil
}

// Subjects may be the names of customers, as the services take them.
var subjectPattern = regexp.MustCompile(`^[A-Za-z0-9._@-]{1,64}$`)

func (t *Tokens) callerOf(token jwt.Token) (Caller, error) {
	subject, _ := token.Subject()
	if !subjectPattern.MatchString(subject) {
		return Caller{}, invalid("its subject is not 1 to 64 of A-Z a-z 0-9 . _ @ -")
	}
	expires, _ := token.Expiration()
	return Caller{Kind: t.cfg.Kind, Subject: subject, Roles: t.roles(token), ExpiresAt: expires}, nil
}

// roles is those of ours among the roles that the token names. Others are another
// system's.
func (t *Tokens) roles(token jwt.Token) []Role {
	roles := []Role{Customer}
	for _, name := range namesAt(token, strings.Split(t.cfg.RolesClaim, ".")) {
		if role := Role(name); slices.Contains(AllRoles(), role) && !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	return roles
}

// namesAt is the list of names at a path of claims, or the names in its string,
// separated by spaces as in scope (RFC 8693, section 4.2).
func namesAt(token jwt.Token, path []string) (names []string) {
	var at any
	if token.Get(path[0], &at) != nil {
		return nil
	}
	for _, member := range path[1:] {
		object, _ := at.(map[string]any)
		at = object[member]
	}
	switch found := at.(type) {
	case string:
		return strings.Fields(found)
	case []any:
		for _, n := range found {
			if name, is := n.(string); is {
				names = append(names, name)
			}
		}
	case []string:
		return found
	}
	return names
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Unauthorized, "token_invalid", "the token is not good: "+format, args...)
}

// explained says what a token lacks, without saying what it has.
func explained(err error) error {
	switch {
	case errors.Is(err, jwt.TokenExpiredError()):
		return fault.New(fault.Unauthorized, "token_expired", "the token has expired: sign in again")
	case errors.Is(err, jwt.TokenNotYetValidError()):
		return invalid("it is not valid yet")
	case errors.Is(err, jwt.InvalidAudienceError()):
		return invalid("it is meant for another audience")
	case errors.Is(err, jwt.MissingRequiredClaimError()):
		return invalid("it has no end (exp)")
	default:
		return invalid("its signature is not by a key that is known here")
	}
}
