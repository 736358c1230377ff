package auth

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwk"
)

// IssuerConfig configures the issuer of tokens. JWKS or Key is set, or neither: then
// no tokens of people are accepted.
type IssuerConfig struct {
	JWKS       string // URL of the issuer's keys
	Key        string // public keys in PEM
	Secret     string // shared with the issuer, 32 bytes or more
	Issuer     string
	Audience   string
	RolesClaim string
	Algorithms []string // accepted signatures; empty: those sound for the kind of key
}

// IsZero reports whether no issuer is configured.
func (i IssuerConfig) IsZero() bool { return i.JWKS == "" && i.Key == "" && i.Secret == "" }

// Check validates the configuration. Its errors name the variable at fault.
func (i IssuerConfig) Check() error {
	if i.IsZero() {
		if i.Issuer != "" || i.Audience != "" {
			return errors.New("JWT_ISSUER and JWT_AUDIENCE say whose tokens are taken; JWKS_URL or JWT_KEY (or JWT_SECRET) must say by which keys they are known")
		}
		return nil
	}
	_, err := i.NewTokens(slog.New(slog.DiscardHandler))
	return err
}

// Algorithms accepted by default: asymmetric ones, or HMAC where the key is a secret.
// Never both (RFC 8725, section 2.1).
var (
	asymmetric = []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"}
	symmetric  = []string{"HS256"}
)

// NewTokens creates the validator of the issuer's tokens. Its errors name the variable at
// fault.
func (i IssuerConfig) NewTokens(log *slog.Logger) (*Tokens, error) {
	keys, algorithms, err := i.keys(log)
	if err != nil {
		return nil, err
	}
	if i.Issuer == "" || i.Audience == "" {
		return nil, errors.New("JWT_ISSUER and JWT_AUDIENCE must be set with JWKS_URL, JWT_KEY or JWT_SECRET: without them a token that was meant for somebody else would do")
	}
	if len(i.Algorithms) > 0 {
		algorithms, err = checkAlgorithms(i.Algorithms, algorithms)
	}
	if err != nil {
		return nil, err
	}
	return NewTokens(TokensConfig{
		Keys: keys, Issuer: i.Issuer, Audience: i.Audience, Algorithms: algorithms, RolesClaim: i.RolesClaim, Kind: KindUser,
	})
}

// checkAlgorithms returns the configured algorithms, which must be sound for the kind
// of key.
func checkAlgorithms(asked, sound []string) ([]string, error) {
	for _, a := range asked {
		if !slices.Contains(sound, a) {
			return nil, fmt.Errorf("JWT_ALGORITHMS names %q, which does not go with the key; there are %s", a, strings.Join(sound, " "))
		}
	}
	return asked, nil
}

func (i IssuerConfig) keys(log *slog.Logger) (KeySource, []string, error) {
	switch {
	case i.JWKS != "" && i.Key != "":
		return nil, nil, errors.New("JWKS_URL and JWT_KEY are both set; one of them must go")
	case i.Secret != "" && (i.JWKS != "" || i.Key != ""):
		return nil, nil, errors.New("JWT_SECRET is set beside JWKS_URL or JWT_KEY; one of them must go")
	case i.JWKS != "":
		u, err := url.Parse(i.JWKS)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return nil, nil, errors.New("JWKS_URL is no http or https URL")
		}
		const within = 5 * time.Second
		return NewJWKS(JWKSConfig{URL: i.JWKS, HTTP: &http.Client{Timeout: within}, Log: log}), asymmetric, nil
	case i.Key != "":
		set, err := publicKeys(i.Key)
		return Fixed(set), asymmetric, err
	default:
		set, err := secretKey(i.Secret)
		return Fixed(set), symmetric, err
	}
}

// notPEM says what is wrong with a JWT_KEY that has no PEM block. It is never taken for a
// secret, whatever it is: anybody could sign by a public key in some other form.
func notPEM(text string) error {
	what := notSecret(text)
	if what == "" {
		what = "no key"
	}
	return fmt.Errorf("JWT_KEY is %s, and must be public keys in PEM, with their first and last lines; a secret that is shared with the issuer goes into JWT_SECRET, a URL of keys into JWKS_URL", what)
}

// publicKeys parses PEM blocks. There are several while keys are rotated.
func publicKeys(text string) (jwk.Set, error) {
	if !strings.Contains(text, "-----BEGIN") {
		return nil, notPEM(text)
	}
	set := jwk.NewSet()
	// A byte order mark hides the first line from pem, a CR at the very end the last one.
	block, rest := pem.Decode([]byte(strings.TrimSpace(strings.TrimPrefix(text, "\ufeff"))))
	for ; block != nil; block, rest = pem.Decode(rest) {
		key, err := jwk.ParseKey(pem.EncodeToMemory(block), jwk.WithPEM(true))
		if err != nil {
			return nil, fmt.Errorf("JWT_KEY: a %s cannot be read: %w", block.Type, err)
		}
		if private, err := jwk.IsPrivateKey(key); err != nil || private {
			return nil, errors.New("JWT_KEY has a private key; the gateway needs the public one alone")
		}
		if err := set.AddKey(key); err != nil {
			return nil, fmt.Errorf("JWT_KEY: %w", err)
		}
	}
	switch {
	case set.Len() == 0:
		return nil, errors.New("JWT_KEY has no PEM block that can be read")
	case bytes.Contains(rest, []byte("-----BEGIN")):
		return nil, errors.New("JWT_KEY has something behind its last key that cannot be read")
	}
	return set, nil
}
