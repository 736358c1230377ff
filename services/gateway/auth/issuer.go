package auth

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
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

// IssuerConfig says whose tokens are taken. Either JWKS or Key is set, or neither:
// then there are no tokens of people.
type IssuerConfig struct {
	JWKS       string // URL of the issuer's keys
	Key        string // public keys in PEM, or a secret of 32 bytes or more
	Issuer     string
	Audience   string
	RolesClaim string
	Algorithms []string // what may be signed by; empty: what is sound for the kind of key
}

// IsZero reports whether no issuer is configured.
func (i IssuerConfig) IsZero() bool { return i.JWKS == "" && i.Key == "" }

// Check says what is wrong with it, by the names of the variables.
func (i IssuerConfig) Check() error {
	if i.IsZero() {
		if i.Issuer != "" || i.Audience != "" {
			return errors.New("JWT_ISSUER and JWT_AUDIENCE say whose tokens are taken; JWKS_URL or JWT_KEY must say by which keys they are known")
		}
		return nil
	}
	_, err := i.NewTokens(slog.New(slog.DiscardHandler))
	return err
}

// Which signatures are taken where nothing is said: asymmetric ones of today, or
// HMAC where the key is a secret. Never both (RFC 8725, section 2.1).
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
		return nil, errors.New("JWT_ISSUER and JWT_AUDIENCE must be set with JWKS_URL or JWT_KEY: without them a token that was meant for somebody else would do")
	}
	if len(i.Algorithms) > 0 {
		algorithms, err = among(i.Algorithms, algorithms)
	}
	if err != nil {
		return nil, err
	}
	return NewTokens(TokensConfig{
		Keys: keys, Issuer: i.Issuer, Audience: i.Audience, Algorithms: algorithms, RolesClaim: i.RolesClaim, Kind: KindUser,
	})
}

// among is what was asked for, which must be sound for the kind of key.
func among(asked, sound []string) ([]string, error) {
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
	case i.JWKS != "":
		u, err := url.Parse(i.JWKS)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return nil, nil, errors.New("JWKS_URL is no http or https URL")
		}
		const within = 5 * time.Second
		return NewJWKS(JWKSConfig{URL: i.JWKS, HTTP: &http.Client{Timeout: within}, Log: log}), asymmetric, nil
	case strings.Contains(i.Key, "-----BEGIN"):
		set, err := publicKeys([]byte(i.Key))
		return Fixed(set), asymmetric, err
	default:
		set, err := secretKey(i.Key)
		return Fixed(set), symmetric, err
	}
}

// publicKeys is the keys in PEM blocks: several while they are being rotated.
func publicKeys(text []byte) (jwk.Set, error) {
	set := jwk.NewSet()
	block, rest := pem.Decode(text)
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

// knownTo is what a secret is that is none: what issuers show, to be pasted, of their
// public keys. Taken for a secret, it would have tokens believed that anybody can sign.
func knownTo(secret string) string {
	switch {
	case strings.HasPrefix(secret, "{"):
		return "a key in JSON (it must be in PEM)"
	case strings.Contains(secret, "://"):
		return "a URL (that is JWKS_URL's)"
	case strings.HasPrefix(secret, "ssh-"), strings.HasPrefix(secret, "ecdsa-"):
		return "a key of SSH (it must be in PEM)"
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(secret), ""))
	if err != nil {
		return ""
	}
	_, notKey := x509.ParsePKIXPublicKey(der)
	_, notRSA := x509.ParsePKCS1PublicKey(der)
	_, notCertificate := x509.ParseCertificate(der)
	if notKey == nil || notRSA == nil || notCertificate == nil {
		return "a public key in PEM without its first and last line"
	}
	return ""
}

func secretKey(secret string) (jwk.Set, error) {
	const least = 32 // bytes, as many as HS256 makes (RFC 7518, section 3.2)
	if len(secret) < least {
		return nil, fmt.Errorf("JWT_KEY is neither public keys in PEM nor a secret of %d bytes or more", least)
	}
	if public := knownTo(secret); public != "" {
		return nil, fmt.Errorf("JWT_KEY is %s, and no secret: whoever knows it could sign tokens", public)
	}
	key, err := jwk.Import([]byte(secret))
	if err != nil {
		return nil, fmt.Errorf("JWT_KEY: %w", err)
	}
	set := jwk.NewSet()
	return set, set.AddKey(key)
}
