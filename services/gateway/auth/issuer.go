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

// IssuerConfig configures the issuer of people's tokens. At most one of JWKS, Key and
// Secret is set; without any, no tokens of people are accepted.
type IssuerConfig struct {
	JWKS       string   // URL of the issuer's keys
	Key        string   // public keys in PEM
	Secret     string   // shared with the issuer, 32 bytes or more
	Issuer     string   // required claim iss
	Audience   string   // required in the claim aud
	RolesClaim string   // see TokensConfig
	Algorithms []string // accepted signature algorithms; empty: all that are safe with the configured kind of key
}

// IsZero reports whether no issuer is configured.
func (i IssuerConfig) IsZero() bool { return i.JWKS == "" && i.Key == "" && i.Secret == "" }

// Check validates the configuration. Its errors name the environment variable at fault.
func (i IssuerConfig) Check() error {
	if i.IsZero() {
		if i.Issuer != "" || i.Audience != "" {
			return errors.New("JWT_ISSUER and JWT_AUDIENCE are set without a key: set JWKS_URL, JWT_KEY or JWT_SECRET to verify the tokens with")
		}
		return nil
	}
	_, err := i.NewTokens(slog.New(slog.DiscardHandler))
	return err
}

// Algorithms accepted by default: HMAC with a secret, asymmetric ones with public keys.
// Never both, because a public key could then be used as an HMAC secret (RFC 8725,
// section 2.1).
var (
	asymmetric = []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"}
	symmetric  = []string{"HS256"}
)

// NewTokens creates the validator of the issuer's tokens. Its errors name the environment
// variable at fault.
func (i IssuerConfig) NewTokens(log *slog.Logger) (*Tokens, error) {
	keys, algorithms, err := i.keys(log)
	if err != nil {
		return nil, err
	}
	if i.Issuer == "" || i.Audience == "" {
		return nil, errors.New("JWT_ISSUER and JWT_AUDIENCE must be set with JWKS_URL, JWT_KEY or JWT_SECRET: without them the gateway would accept tokens issued for other applications")
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

// checkAlgorithms returns the configured algorithms. It returns an error if one of them
// is not safe with the configured kind of key.
func checkAlgorithms(configured, safe []string) ([]string, error) {
	for _, a := range configured {
		if !slices.Contains(safe, a) {
			return nil, fmt.Errorf("JWT_ALGORITHMS names %q, which cannot be used with this kind of key; use some of %s", a, strings.Join(safe, " "))
		}
	}
	return configured, nil
}

func (i IssuerConfig) keys(log *slog.Logger) (KeySource, []string, error) {
	switch {
	case i.JWKS != "" && i.Key != "":
		return nil, nil, errors.New("JWKS_URL and JWT_KEY are both set; remove one of them")
	case i.Secret != "" && (i.JWKS != "" || i.Key != ""):
		return nil, nil, errors.New("JWT_SECRET is set together with JWKS_URL or JWT_KEY; remove one of them")
	case i.JWKS != "":
		u, err := url.Parse(i.JWKS)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return nil, nil, errors.New("JWKS_URL is not an http or https URL")
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

// notPEM returns the error for a JWT_KEY without a PEM block. Such a text is never used
// as a secret: it may be a public key in another form, with which anybody could sign.
func notPEM(text string) error {
	what := notSecret(text)
	if what == "" {
		what = "not a key"
	}
	return fmt.Errorf("JWT_KEY is %s; it must hold public keys in PEM, with their first and last lines. Put a secret shared with the issuer into JWT_SECRET, the URL of a key set into JWKS_URL", what)
}

// publicKeys parses the keys in PEM blocks. There are several during a key rotation. It
// refuses private keys and trailing data.
func publicKeys(text string) (jwk.Set, error) {
	if !strings.Contains(text, "-----BEGIN") {
		return nil, notPEM(text)
	}
	set := jwk.NewSet()
	// pem would not see the first line behind a byte order mark, nor the last before a CR.
	block, rest := pem.Decode([]byte(strings.TrimSpace(strings.TrimPrefix(text, "\ufeff"))))
	for ; block != nil; block, rest = pem.Decode(rest) {
		key, err := jwk.ParseKey(pem.EncodeToMemory(block), jwk.WithPEM(true))
		if err != nil {
			return nil, fmt.Errorf("JWT_KEY: %s block: %w", block.Type, err)
		}
		if private, err := jwk.IsPrivateKey(key); err != nil || private {
			return nil, errors.New("JWT_KEY has a private key; configure only the public key")
		}
		if err := set.AddKey(key); err != nil {
			return nil, fmt.Errorf("JWT_KEY: %w", err)
		}
	}
	switch {
	case set.Len() == 0:
		return nil, errors.New("JWT_KEY has no valid PEM block")
	case bytes.Contains(rest, []byte("-----BEGIN")):
		return nil, errors.New("JWT_KEY has an invalid PEM block after its last key")
	}
	return set, nil
}
