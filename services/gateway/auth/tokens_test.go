package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"quadrille/pkg/fault"
)

// issuer is a server that publishes a key set.
type issuer struct {
	*httptest.Server

	arrived chan struct{} // signals a request that hangs

	mu          sync.Mutex
	keys        map[string]jwk.Key // private keys whose public keys it publishes, by ID
	withdrawn   map[string]jwk.Key
	unavailable bool
	hangs       chan struct{} // requests hang until it is closed; nil: they do not
	requests    int
}

func newIssuer(t *testing.T, kids ...string) *issuer {
	t.Helper()
	i := &issuer{keys: map[string]jwk.Key{}, withdrawn: map[string]jwk.Key{}, arrived: make(chan struct{}, 100)}
	for _, kid := range kids {
		i.rotate(t, "", kid)
	}
	i.Server = httptest.NewServer(http.HandlerFunc(i.publish))
	t.Cleanup(i.Close)
	return i
}

// rotate withdraws a key and publishes a new one. Either may be "".
func (i *issuer) rotate(t *testing.T, old, kid string) {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.withdrawn[old] = i.keys[old]
	delete(i.keys, old)
	if kid != "" {
		i.keys[kid] = newKey(t, kid)
	}
}

func newKey(t *testing.T, kid string) jwk.Key {
	t.Helper()
	raw, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	key, err := jwk.Import(raw)
	must(t, err)
	must(t, key.Set(jwk.KeyIDKey, kid))
	return key
}

func (i *issuer) publish(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	i.requests++
	hangs := i.hangs
	i.mu.Unlock()
	if hangs != nil {
		i.arrived <- struct{}{}
		<-hangs
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.unavailable {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	set := jwk.NewSet()
	for _, key := range i.keys {
		public, _ := key.PublicKey()
		_ = set.AddKey(public)
	}
	if err := json.NewEncoder(w).Encode(set); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

func (i *issuer) key(kid string) jwk.Key {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys[kid]
}

// requestCount returns the number of requests for the keys.
func (i *issuer) requestCount() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.requests
}

const iss, aud = "https://id.example", "shop"

// claims returns the claims of a valid token with some changes.
func claims(change map[string]any) map[string]any {
	all := map[string]any{"iss": iss, "aud": []string{aud}, "sub": "ann", "exp": time.Now().Add(time.Hour).Unix(), "roles": []string{"staff", "king"}}
	for name, value := range change {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	return all
}

func signed(t *testing.T, alg jwa.SignatureAlgorithm, key any, claims map[string]any) string {
	t.Helper()
	token := jwt.New()
	for name, value := range claims {
		must(t, token.Set(name, value))
	}
	text, err := jwt.Sign(token, jwt.WithKey(alg, key))
	must(t, err)
	return string(text)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func tokensOf(t *testing.T, keys KeySource) *Authenticator {
	t.Helper()
	tokens, err := NewTokens(TokensConfig{Keys: keys, Issuer: iss, Audience: aud, Algorithms: []string{"ES256", "RS256"}, Kind: KindUser})
	must(t, err)
	return &Authenticator{Tokens: []*Tokens{tokens}}
}

func jwks(i *issuer) *JWKS {
	return NewJWKS(JWKSConfig{URL: i.URL, HTTP: &http.Client{}, Log: slog.New(slog.DiscardHandler)})
}

func codeOf(err error) string {
	var f *fault.Fault
	if !errors.As(err, &f) {
		return "no fault"
	}
	return f.Code
}

func TestAcceptsValidToken(t *testing.T) {
	i := newIssuer(t, "one")
	a := tokensOf(t, jwks(i))
	caller, err := a.Authenticate(t.Context(), "bearer  "+signed(t, jwa.ES256(), i.key("one"), claims(nil)))
	must(t, err)
	if caller.Subject != "ann" || caller.Kind != KindUser || !slices.Equal(caller.Roles, []Role{Customer, Staff}) || time.Until(caller.ExpiresAt) < 59*time.Minute {
		t.Errorf("caller %+v", caller)
	}
	if caller, err := a.Authenticate(t.Context(), ""); err != nil || !caller.Anonymous() {
		t.Errorf("without a header: %+v, %v", caller, err)
	}
}

func TestRefusesInvalidTokens(t *testing.T) {
	i := newIssuer(t, "one")
	a := tokensOf(t, jwks(i))
	key := i.key("one")
	good := signed(t, jwa.ES256(), key, claims(nil))
	parts := strings.Split(good, ".")
	secret, err := jwk.Import([]byte("0123456789abcdef0123456789abcdef"))
	must(t, err)
	public, err := jwk.PublicKeyOf(key)
	must(t, err)
	published, err := json.Marshal(public) // an attacker has it, too
	must(t, err)
	for name, c := range map[string]struct{ token, code string }{
		"expired":              {signed(t, jwa.ES256(), key, claims(map[string]any{"exp": time.Now().Add(-time.Minute).Unix()})), "token_expired"},
		"without expiry":       {signed(t, jwa.ES256(), key, claims(map[string]any{"exp": nil})), "token_invalid"},
		"not valid yet":        {signed(t, jwa.ES256(), key, claims(map[string]any{"nbf": time.Now().Add(time.Hour).Unix()})), "token_invalid"},
		"another issuer":       {signed(t, jwa.ES256(), key, claims(map[string]any{"iss": "https://else.example"})), "token_invalid"},
		"no issuer":            {signed(t, jwa.ES256(), key, claims(map[string]any{"iss": nil})), "token_invalid"},
		"another audience":     {signed(t, jwa.ES256(), key, claims(map[string]any{"aud": "bank"})), "token_invalid"},
		"no audience":          {signed(t, jwa.ES256(), key, claims(map[string]any{"aud": nil})), "token_invalid"},
		"no subject":           {signed(t, jwa.ES256(), key, claims(map[string]any{"sub": nil})), "token_invalid"},
		"malformed subject":    {signed(t, jwa.ES256(), key, claims(map[string]any{"sub": "ann/../bob"})), "token_invalid"},
		"another key":          {signed(t, jwa.ES256(), newKey(t, "one"), claims(nil)), "token_invalid"},
		"symmetric":            {signed(t, jwa.HS256(), secret, claims(nil)), "token_invalid"},
		"public key as secret": {signed(t, jwa.HS256(), published, claims(nil)), "token_invalid"},
		"unsigned":             {"eyJhbGciOiJub25lIn0." + parts[1] + ".", "token_invalid"},
		"changed":              {parts[0] + "." + strings.Split(signed(t, jwa.ES256(), key, claims(map[string]any{"sub": "bob"})), ".")[1] + "." + parts[2], "token_invalid"},
		"no token":             {"abc", "token_invalid"},
		"huge":                 {strings.Repeat("a", maxToken+1), "token_invalid"},
		"empty":                {"", "token_required"},
	} {
		caller, err := a.Authenticate(t.Context(), "Bearer "+c.token)
		if !fault.Is(err, fault.Unauthorized) || codeOf(err) != c.code || !caller.Anonymous() {
			t.Errorf("%s: %+v, %v; want %s", name, caller, err, c.code)
		}
	}
	if _, err := a.Authenticate(t.Context(), "Basic YTpi"); codeOf(err) != "token_required" {
		t.Errorf("Basic: %v", err)
	}
}

// A withdrawn key is accepted for Fresh at most and a new key at once. Tokens with
// invented key IDs cause one request per Pause at most.
func TestFollowsKeyRotation(t *testing.T) {
	i := newIssuer(t, "one")
	source, now := jwks(i), time.Now()
	source.cfg.now = func() time.Time { return now }
	source.cfg.sleep = func(_ context.Context, d time.Duration) { now = now.Add(d) }
	a := tokensOf(t, source)
	authenticate := func(kid string, key jwk.Key) error {
		_, err := a.Authenticate(t.Context(), "Bearer "+signed(t, jwa.ES256(), key, claims(nil)))
		if err != nil && codeOf(err) == "no fault" {
			t.Errorf("%s: %v", kid, err)
		}
		return err
	}
	one := i.key("one")
	must(t, authenticate("one", one))
	i.rotate(t, "", "two")
	now = now.Add(source.cfg.Pause)
	must(t, authenticate("two", i.key("two")))
	if i.requestCount() != 2 {
		t.Errorf("%d requests to the issuer, want 2", i.requestCount())
	}
	began := now
	for range 20 {
		if code := codeOf(authenticate("invented", newKey(t, "three"))); code != "token_invalid" {
			t.Errorf("invented key: %s", code)
		}
		now = now.Add(source.cfg.Pause / 10)
	}
	if most := int(now.Sub(began) / source.cfg.Pause); i.requestCount()-2 > most {
		t.Errorf("invented keys caused %d requests to the issuer, want at most %d", i.requestCount()-2, most)
	}
	i.rotate(t, "one", "")
	now = now.Add(source.cfg.Fresh)
	if authenticate("one", one) == nil {
		t.Error("a withdrawn key is still accepted")
	}
	must(t, authenticate("two", i.key("two")))
}

func TestKeepsKeysForStaleWhileIssuerIsUnavailable(t *testing.T) {
	i := newIssuer(t, "one")
	source, now := jwks(i), time.Now()
	source.cfg.now = func() time.Time { return now }
	a := tokensOf(t, source)
	token := "Bearer " + signed(t, jwa.ES256(), i.key("one"), claims(map[string]any{"exp": time.Now().Add(9 * time.Hour).Unix()}))
	_, err := a.Authenticate(t.Context(), token)
	must(t, err)
	i.mu.Lock()
	i.unavailable = true
	i.mu.Unlock()
	now = now.Add(source.cfg.Fresh)
	_, err = a.Authenticate(t.Context(), token)
	must(t, err)
	now = now.Add(source.cfg.Stale)
	if _, err := a.Authenticate(t.Context(), token); !fault.Is(err, fault.Unavailable) {
		t.Errorf("after %s: %v", source.cfg.Stale, err)
	}
}

func TestReadsRolesClaim(t *testing.T) {
	for _, c := range []struct{ claim, claims, want string }{
		{"scope", `{"scope":"openid warehouse staff"}`, "[customer warehouse staff]"},
		{"realm_access.roles", `{"realm_access":{"roles":["warehouse",7]}}`, "[customer warehouse]"},
		{"realm_access.roles.x", `{"realm_access":{"roles":"staff"}}`, "[customer]"},
		{"none", `{"roles":["staff"]}`, "[customer]"},
		{"roles", `{"roles":["staff","king","staff","customer"]}`, "[customer staff]"},
		{"roles", `{"Roles":["staff"]}`, "[customer]"},
		{"roles", `{"roles":null}`, "[customer]"},
		{"roles", `{"roles":{"staff":true}}`, "[customer]"},
		// Names with dots: of claims, which Auth0 requires, and of objects, which Keycloak uses.
		{"https://shop.example/roles", `{"https://shop.example/roles":["staff"]}`, "[customer staff]"},
		{"https://shop.example/roles", `{"https://shop":{"example/roles":["warehouse"]},"https://shop.example/roles":["staff"]}`, "[customer staff]"},
		{"resource_access.shop.example.roles", `{"resource_access":{"shop.example":{"roles":["warehouse"]},"shop":{"other":1}}}`, "[customer warehouse]"},
		{"a.b", `{"a":"b"}`, "[customer]"},
		{".", `{"":{"":"staff"}}`, "[customer staff]"},
	} {
		set, err := readClaims([]byte(c.claims))
		must(t, err)
		if got := fmt.Sprint(set.roles(c.claim)); got != c.want {
			t.Errorf("%s of %s: %v, want %v", c.claim, c.claims, got, c.want)
		}
	}
}

func TestTokensNeedIssuerAudienceAndAlgorithms(t *testing.T) {
	keys := Fixed(jwk.NewSet())
	for _, cfg := range []TokensConfig{
		{Issuer: iss, Audience: aud, Algorithms: []string{"ES256"}}, {Keys: keys, Audience: aud, Algorithms: []string{"ES256"}},
		{Keys: keys, Issuer: iss, Algorithms: []string{"ES256"}}, {Keys: keys, Issuer: iss, Audience: aud},
	} {
		if _, err := NewTokens(cfg); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}

func TestCallerInContext(t *testing.T) {
	ann := Caller{Kind: KindUser, Subject: "ann"}
	if got := CallerFrom(WithCaller(context.Background(), ann)); got.ID() != "user:ann" {
		t.Errorf("caller %+v", got)
	}
	if !CallerFrom(context.Background()).Anonymous() {
		t.Error("the caller of an empty context is not anonymous")
	}
}
