package gateway

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"quadrille/internal/platform/app"
	"quadrille/services/gateway/auth"
)

const longSecret = "0123456789abcdef0123456789abcdef" // 32 bytes

// inPEM encodes der as a PEM block. It takes err so that it can wrap x509.Marshal calls.
func inPEM(t *testing.T, kind string, der []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// bare removes the first and last line of a PEM block.
func bare(block string) string {
	_, inner, _ := strings.Cut(block, "-----\n")
	inner, _, _ = strings.Cut(inner, "\n-----")
	return inner
}

func publicPEM(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	return inPEM(t, "PUBLIC KEY", der, err)
}

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// configured returns a configuration with issuer and audience, and with the change.
func configured(change func(*app.Config)) app.Config {
	c := app.Config{JWTIssuer: "https://id.test", JWTAudience: "shop"}
	change(&c)
	return c
}

func TestRefusesInvalidConfigurations(t *testing.T) {
	key := ecKey(t)
	public := publicPEM(t, &key.PublicKey)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	private := inPEM(t, "PRIVATE KEY", pkcs8, err)
	sec1, err := x509.MarshalECPrivateKey(key)
	older := inPEM(t, "EC PRIVATE KEY", sec1, err)
	for what, c := range map[string]struct {
		change func(*app.Config)
		want   string
	}{
		"JWKS and a key":             {func(c *app.Config) { c.JWKSURL, c.JWTKey = "https://id.test/keys", public }, "JWKS_URL and JWT_KEY are both set"},
		"no issuer":                  {func(c *app.Config) { c.JWTKey, c.JWTIssuer = public, "" }, "JWT_ISSUER and JWT_AUDIENCE must be set"},
		"no audience":                {func(c *app.Config) { c.JWTKey, c.JWTAudience = public, "" }, "JWT_ISSUER and JWT_AUDIENCE must be set"},
		"no audience, by JWKS":       {func(c *app.Config) { c.JWKSURL, c.JWTAudience = "https://id.test/keys", "" }, "JWT_ISSUER and JWT_AUDIENCE must be set"},
		"issuer without keys":        {func(*app.Config) {}, "JWT_ISSUER and JWT_AUDIENCE are set without a key: set JWKS_URL, JWT_KEY or JWT_SECRET"},
		"JWKS URL without a scheme":  {func(c *app.Config) { c.JWKSURL = "id.test/keys" }, "JWKS_URL is not an http or https URL"},
		"JWKS URL of a file":         {func(c *app.Config) { c.JWKSURL = "file:///etc/keys" }, "JWKS_URL is not an http or https URL"},
		"JWKS URL with a password":   {func(c *app.Config) { c.JWKSURL = "https://a:s3cret@[" }, "JWKS_URL is not an http or https URL"},
		"a private key":              {func(c *app.Config) { c.JWTKey = private }, "private key"},
		"an older private key":       {func(c *app.Config) { c.JWTKey = older }, "private key"},
		"public and private key":     {func(c *app.Config) { c.JWTKey = public + private }, "private key"},
		"a broken key":               {func(c *app.Config) { c.JWTKey = strings.Replace(public, "\n", "\nAAAA", 1) }, "JWT_KEY"},
		"half a key":                 {func(c *app.Config) { c.JWTKey = public[:60] }, "JWT_KEY has no valid PEM block"},
		"one key and half a key":     {func(c *app.Config) { c.JWTKey = public + public[:60] }, "JWT_KEY has an invalid PEM block after its last key"},
		"a short secret":             {func(c *app.Config) { c.JWTSecret = longSecret[1:] }, "a secret of 32 bytes or more"},
		"a secret as a key":          {func(c *app.Config) { c.JWTKey = longSecret }, "Put a secret shared with the issuer into JWT_SECRET"},
		"a key as a secret":          {func(c *app.Config) { c.JWTSecret = public }, "JWT_SECRET is a key or certificate in PEM"},
		"a secret and a key":         {func(c *app.Config) { c.JWTSecret, c.JWTKey = longSecret, public }, "JWT_SECRET is set together with JWKS_URL or JWT_KEY"},
		"a secret and a JWKS":        {func(c *app.Config) { c.JWTSecret, c.JWKSURL = longSecret, "https://id.test/keys" }, "JWT_SECRET is set together with JWKS_URL or JWT_KEY"},
		"a secret, no audience":      {func(c *app.Config) { c.JWTSecret, c.JWTAudience = longSecret, "" }, "JWT_ISSUER and JWT_AUDIENCE must be set"},
		"a key as Keycloak shows it": {func(c *app.Config) { c.JWTKey = bare(public) }, "JWT_KEY is a key or certificate in DER, or in PEM without its first and last line"},
		"the same, in one line":      {func(c *app.Config) { c.JWTKey = strings.ReplaceAll(bare(public), "\n", "") }, "JWT_KEY is a key or certificate in DER, or in PEM without its first and last line"},
		"a key in JSON":              {func(c *app.Config) { c.JWTKey = `{"kty":"EC","crv":"P-256","x":"s3cret","y":"AAAAAAAAAAAAAAA"}` }, "JWT_KEY is a key in JSON"},
		"the URL of a key set":       {func(c *app.Config) { c.JWTKey = "https://id.test/realms/shop/protocol/keys?s3cret" }, "JWT_KEY is a URL"},
		"an SSH key":                 {func(c *app.Config) { c.JWTKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIs3cret" }, "JWT_KEY is an SSH key"},
		"HMAC with public keys":      {func(c *app.Config) { c.JWTKey, c.JWTAlgorithms = public, []string{"ES256", "HS256"} }, `JWT_ALGORITHMS names "HS256"`},
		"ES256 with a secret":        {func(c *app.Config) { c.JWTSecret, c.JWTAlgorithms = longSecret, []string{"ES256"} }, `JWT_ALGORITHMS names "ES256"`},
		"none":                       {func(c *app.Config) { c.JWTKey, c.JWTAlgorithms = public, []string{"none"} }, `JWT_ALGORITHMS names "none"`},
		"empty algorithm":            {func(c *app.Config) { c.JWTKey, c.JWTAlgorithms = public, []string{""} }, `JWT_ALGORITHMS names ""`},
		"two algorithms in one":      {func(c *app.Config) { c.JWTKey, c.JWTAlgorithms = public, []string{"RS256 PS256"} }, `JWT_ALGORITHMS names "RS256 PS256"`},
		"HMAC by JWKS":               {func(c *app.Config) { c.JWKSURL, c.JWTAlgorithms = "https://id.test/keys", []string{"HS256"} }, `JWT_ALGORITHMS names "HS256"`},
		"invalid caller rate":        {func(c *app.Config) { c.JWTKey, c.RateCaller = public, "fast" }, "RATE_LIMIT_CALLER"},
		"invalid address rate":       {func(c *app.Config) { c.JWTKey, c.RateAddress = public, "-1" }, "RATE_LIMIT_ADDRESS"},
		"negative proxies":           {func(c *app.Config) { c.JWTKey, c.TrustedProxies = public, -1 }, "TRUSTED_PROXIES -1 is negative"},
		"--dev behind a proxy":       {func(c *app.Config) { c.JWTKey, c.Dev, c.TrustedProxies = public, true, 1 }, "--dev with TRUSTED_PROXIES 1"},
	} {
		_, err := FromConfig(configured(c.change))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", what, err, c.want)
			continue
		}
		if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), longSecret[1:]) || strings.Contains(err.Error(), "BEGIN") {
			t.Errorf("%s: the error contains a secret: %v", what, err)
		}
	}
	if _, err := FromConfig(app.Config{}); err != nil {
		t.Errorf("empty configuration: %v", err)
	}
}

// tokenBy returns a token of the configured issuer, signed with key.
func tokenBy(t *testing.T, algorithm jwa.SignatureAlgorithm, key any) string {
	t.Helper()
	token, err := jwt.NewBuilder().Issuer("https://id.test").Audience([]string{"shop"}).Subject("ann").Expiration(time.Now().Add(time.Hour)).Build()
	if err != nil {
		t.Fatal(err)
	}
	signed, err := jwt.Sign(token, jwt.WithKey(algorithm, key))
	if err != nil {
		t.Fatal(err)
	}
	return string(signed)
}

// authenticate returns the error of a gateway with this configuration for a token.
func authenticate(t *testing.T, c app.Config, token string) error {
	t.Helper()
	cfg, err := FromConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := cfg.Issuer.NewTokens(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, err = (&auth.Authenticator{Tokens: []*auth.Tokens{tokens}}).Authenticate(t.Context(), "Bearer "+token)
	return err
}

// A key rotation needs several keys at a time, perhaps of different types.
func TestAcceptsSeveralKeys(t *testing.T) {
	old, next, stranger := ecKey(t), ecKey(t), ecKey(t)
	third, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, fourth, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := configured(func(c *app.Config) {
		c.JWTKey = publicPEM(t, &old.PublicKey) + "\n# the next one\n" + publicPEM(t, &next.PublicKey) + publicPEM(t, &third.PublicKey) + publicPEM(t, public) + "\n"
	})
	for what, token := range map[string]string{
		"old": tokenBy(t, jwa.ES256(), old), "next": tokenBy(t, jwa.ES256(), next), "RSA": tokenBy(t, jwa.RS256(), third), "RSA-PSS": tokenBy(t, jwa.PS256(), third), "Ed25519": tokenBy(t, jwa.EdDSA(), fourth),
	} {
		if err := authenticate(t, c, token); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	c.JWTAlgorithms = []string{"RS256"}
	for what, token := range map[string]string{"another key type": tokenBy(t, jwa.ES256(), old), "another algorithm of the same key": tokenBy(t, jwa.PS256(), third)} {
		if err := authenticate(t, c, token); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
	c.JWTAlgorithms = nil
	for what, token := range map[string]string{
		"unknown key":            tokenBy(t, jwa.ES256(), stranger),
		"HMAC with a public key": tokenBy(t, jwa.HS256(), []byte(publicPEM(t, &old.PublicKey))),
	} {
		if err := authenticate(t, c, token); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
}

// Files from Windows, values in .env files and $(cat key.pem) differ in their line ends.
func TestReadsPublicKeyWithAnyLineEnds(t *testing.T) {
	key := ecKey(t)
	plain := strings.TrimSpace(publicPEM(t, &key.PublicKey))
	for what, text := range map[string]string{
		"no line end":      plain,
		"CR LF":            strings.ReplaceAll(plain, "\n", "\r\n") + "\r\n",
		"CR LF, CR at end": strings.ReplaceAll(plain, "\n", "\r\n") + "\r",
		"spaces around":    "  " + plain + " \t",
		"line ends before": "\r\n\r\n" + plain + "\r",
		"byte order mark":  "\ufeff" + plain,
	} {
		c := configured(func(c *app.Config) { c.JWTKey = text })
		if err := authenticate(t, c, tokenBy(t, jwa.ES256(), key)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAcceptsOnlyHS256WithSecret(t *testing.T) {
	c := configured(func(c *app.Config) { c.JWTSecret = longSecret })
	if err := authenticate(t, c, tokenBy(t, jwa.HS256(), []byte(longSecret))); err != nil {
		t.Error(err)
	}
	for what, token := range map[string]string{
		"another secret": tokenBy(t, jwa.HS256(), []byte(longSecret+"x")), "another HMAC": tokenBy(t, jwa.HS512(), []byte(longSecret)), "a key pair": tokenBy(t, jwa.ES256(), ecKey(t)),
	} {
		if err := authenticate(t, c, token); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
}

func TestReportsUnavailableIssuer(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	c := configured(func(c *app.Config) { c.JWKSURL = server.URL })
	if err := authenticate(t, c, tokenBy(t, jwa.ES256(), ecKey(t))); err == nil || !strings.Contains(err.Error(), "identity_away") {
		t.Errorf("got %v, want identity_away", err)
	}
}
