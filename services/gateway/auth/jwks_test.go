package auth

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"

	"quadrille/pkg/fault"
)

// settled waits for the end of the current fetch.
func settled(j *JWKS) {
	j.mu.Lock()
	fetching := j.fetching
	j.mu.Unlock()
	if fetching != nil {
		<-fetching
	}
}

// clock is a manual clock.
type clock struct {
	began time.Time
	since atomic.Int64
}

func (c *clock) now() time.Time        { return c.began.Add(time.Duration(c.since.Load())) }
func (c *clock) turn(by time.Duration) { c.since.Add(int64(by)) }

// clocked returns a JWKS of the issuer with a manual clock, which its pauses advance, and
// an Authenticator that uses it.
func clocked(t *testing.T, i *issuer) (source *JWKS, a *Authenticator, c *clock) {
	t.Helper()
	c = &clock{began: time.Now()}
	source = jwks(i)
	source.cfg.now = c.now
	source.cfg.sleep = func(_ context.Context, d time.Duration) { c.turn(d) }
	t.Cleanup(func() { settled(source) })
	return source, tokensOf(t, source), c
}

func (i *issuer) token(t *testing.T, kid string) string {
	t.Helper()
	return "Bearer " + signed(t, jwa.ES256(), i.key(kid), claims(nil))
}

func (i *issuer) hang(until chan struct{}) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.hangs = until
}

// Callers with a known key do not wait for an issuer that hangs, even if other callers
// send invented keys meanwhile and the last fetch was long ago.
func TestKnownKeysDoNotWaitForHangingIssuer(t *testing.T) {
	i := newIssuer(t, "one")
	source, a, clock := clocked(t, i)
	good := i.token(t, "one")
	_, err := a.Authenticate(t.Context(), good)
	must(t, err)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	i.hang(release)
	clock.turn(source.cfg.Pause)
	ctx, leave := context.WithCancel(t.Context())
	var strangers sync.WaitGroup
	for _, kid := range []string{"two", "three"} {
		token := "Bearer " + signed(t, jwa.ES256(), newKey(t, kid), claims(nil))
		strangers.Go(func() {
			if _, err := a.Authenticate(ctx, token); !fault.Is(err, fault.Unavailable) {
				t.Errorf("invented key of a caller that leaves: %v", err)
			}
		})
	}
	<-i.arrived // one of them has caused a fetch
	for _, after := range []time.Duration{0, source.cfg.Pause, source.cfg.Fresh - 2*source.cfg.Pause, source.cfg.Fresh, source.cfg.Pause} {
		clock.turn(after)
		if _, err := a.Authenticate(t.Context(), good); err != nil {
			t.Errorf("%s later: %v", after, err)
		}
	}
	leave()
	strangers.Wait()
	if i.requestCount() != 2 {
		t.Errorf("%d concurrent requests to the issuer, want 1", i.requestCount()-1)
	}
}

// A call shortly before the end of Fresh starts a fetch and does not wait for it.
func TestRefreshesKeysBeforeTheyAreTooOld(t *testing.T) {
	i := newIssuer(t, "one")
	source, a, clock := clocked(t, i)
	good := i.token(t, "one")
	_, err := a.Authenticate(t.Context(), good)
	must(t, err)
	i.rotate(t, "one", "two")
	clock.turn(source.cfg.Fresh - time.Second)
	if _, err := a.Authenticate(t.Context(), good); err != nil {
		t.Errorf("before the end of Fresh: %v", err)
	}
	settled(source)
	if i.requestCount() != 2 {
		t.Errorf("%d requests to the issuer, want 2", i.requestCount())
	}
	if _, err := a.Authenticate(t.Context(), good); codeOf(err) != "token_invalid" {
		t.Errorf("withdrawn key: %v", err)
	}
	// After a long time without calls the next one waits for a fetch: the cached keys are
	// too old.
	i.rotate(t, "two", "three")
	two := "Bearer " + signed(t, jwa.ES256(), i.key("three"), claims(nil))
	clock.turn(source.cfg.Fresh)
	if _, err := a.Authenticate(t.Context(), two); err != nil {
		t.Errorf("new key after a long time: %v", err)
	}
}

func TestWaitsForNewKeyAndNotForWithdrawnOne(t *testing.T) {
	i := newIssuer(t, "one", "old")
	source, a, clock := clocked(t, i)
	old := i.token(t, "old")
	_, err := a.Authenticate(t.Context(), i.token(t, "one"))
	must(t, err)
	i.rotate(t, "old", "two")
	two := i.token(t, "two")
	clock.turn(source.cfg.Pause / 10)
	before := clock.now()
	if _, err := a.Authenticate(t.Context(), two); err != nil || clock.now().Sub(before) != source.cfg.Pause*9/10 {
		t.Errorf("new key: %v, after %s", err, clock.now().Sub(before))
	}
	clock.turn(source.cfg.Pause / 10)
	if _, err := a.Authenticate(t.Context(), old); codeOf(err) != "token_invalid" {
		t.Errorf("withdrawn key: %v", err)
	}
	i.mu.Lock()
	i.keys["old"] = i.withdrawn["old"]
	i.mu.Unlock()
	clock.turn(source.cfg.Pause)
	if _, err := a.Authenticate(t.Context(), old); err != nil {
		t.Errorf("withdrawn key, published again: %v", err)
	}
	i.mu.Lock()
	i.unavailable = true
	i.mu.Unlock()
	clock.turn(source.cfg.Pause)
	made := "Bearer " + signed(t, jwa.ES256(), newKey(t, "three"), claims(nil))
	if _, err := a.Authenticate(t.Context(), made); !fault.Is(err, fault.Unavailable) {
		t.Errorf("unknown key while the issuer is unavailable: %v", err)
	}
}

func TestFetchesNewKeyForTokenWithoutKeyID(t *testing.T) {
	i := newIssuer(t, "one")
	_, a, _ := clocked(t, i)
	_, err := a.Authenticate(t.Context(), i.token(t, "one"))
	must(t, err)
	nameless := newKey(t, "")
	token := "Bearer " + signed(t, jwa.ES256(), nameless, claims(nil))
	if _, err := a.Authenticate(t.Context(), token); codeOf(err) != "token_invalid" {
		t.Errorf("before the key is published: %v", err)
	}
	i.mu.Lock()
	i.keys["two"] = nameless
	i.mu.Unlock()
	if _, err := a.Authenticate(t.Context(), token); err != nil {
		t.Errorf("after the key is published: %v", err)
	}
}

// fetched returns a JWKS that has fetched the earlier documents and then document, and the
// error of the last fetch.
func fetched(t *testing.T, document string, earlier ...string) (*JWKS, error) {
	t.Helper()
	response := atomic.Pointer[string]{}
	response.Store(&document)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, *response.Load()) }))
	t.Cleanup(server.Close)
	now := time.Now()
	j := NewJWKS(JWKSConfig{URL: server.URL, HTTP: server.Client(), Log: slog.New(slog.DiscardHandler), now: func() time.Time { return now }})
	for _, before := range earlier {
		response.Store(&before)
		if _, err := j.Set(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		response.Store(&document)
		now = now.Add(j.cfg.Fresh)
	}
	_, err := j.Set(t.Context(), "")
	return j, err
}

// Unsupported keys are ignored. A document that is not a key set, or has no usable key,
// is an error and does not replace earlier keys.
func TestReadsKeySets(t *testing.T) {
	one := published(t, rsaKey(t))
	for what, c := range map[string]struct {
		document string
		keys     int // 0: an error
	}{
		"one":                    {`{"keys":[` + one + `]}`, 1},
		"duplicate":              {`{"keys":[` + one + `,` + one + `]}`, 2},
		"unknown kind":           {`{"keys":[{"kty":"AKP","alg":"ML-DSA-44","pub":"AAAA","kid":"x"},` + one + `]}`, 1},
		"unknown curve":          {`{"keys":[` + one + `,{"kty":"EC","crv":"P-1024","x":"AAAA","y":"AAAA"}]}`, 1},
		"no kind":                {`{"keys":[` + one + `,{"kid":"y"},7,null,"x",{}]}`, 1},
		"other members":          {`{"issuer":"x","keys":[` + one + `],"keyring":7}`, 1},
		"encryption key":         {`{"keys":[` + one + `,{"use":"enc",` + one[1:] + `]}`, 1},
		"a secret":               {`{"keys":[` + one + `,{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]}`, 1},
		"only a secret":          {`{"keys":[{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]}`, 0},
		"only an encryption key": {`{"keys":[{"use":"enc",` + one[1:] + `]}`, 0},
		"only an unknown kind":   {`{"keys":[{"kty":"AKP","alg":"ML-DSA-44","pub":"AAAA"}]}`, 0},
		"no keys":                {`{"keys":[]}`, 0},
		"no list":                {`{"keys":{}}`, 0},
		"null":                   {`{"keys":null}`, 0},
		"a key alone":            {one, 0},
		"another document":       {`{"jwks_uri":"https://id.example/keys"}`, 0},
		"HTML page":              {`<html>Sign in to the hotel's network</html>`, 0},
		"empty":                  {``, 0},
		"truncated":              {`{"keys":[` + one, 0},
		"trailing data":          {`{"keys":[` + one + `]}{}`, 0},
		"too large":              {`{"keys":[` + one + `],"x":"` + strings.Repeat("x", maxSetBytes) + `"}`, 0},
	} {
		j, err := fetched(t, c.document)
		if (err == nil) != (c.keys > 0) || c.keys > 0 && j.set.Len() != c.keys {
			t.Errorf("%s: %+v, %v; want %d keys", what, j.set, err, c.keys)
		}
		j, err = fetched(t, c.document, `{"keys":[`+one+`,`+one+`,`+one+`]}`)
		if want := max(c.keys, 0); err != nil || c.keys > 0 && j.set.Len() != want || c.keys == 0 && j.set.Len() != 3 {
			t.Errorf("%s, after a valid set: %+v, %v", what, j.set, err)
		}
	}
}

func TestFollowsOnlySecureRedirectsToStatus200(t *testing.T) {
	set := `{"keys":[` + published(t, rsaKey(t)) + `]}`
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, set) }))
	t.Cleanup(plain.Close)
	mux := http.NewServeMux()
	for path, to := range map[string]string{"/moved": "/keys", "/down": plain.URL, "/round": "/round", "/file": "file:///etc/passwd"} {
		mux.Handle(path, http.RedirectHandler(to, http.StatusFound))
	}
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, set) })
	for _, status := range []int{http.StatusCreated, http.StatusNonAuthoritativeInfo, http.StatusNotFound, http.StatusInternalServerError} {
		mux.HandleFunc(fmt.Sprintf("/%d", status), func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, set)
		})
	}
	secure := httptest.NewTLSServer(mux)
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(secure.Close)
	for path, good := range map[string]bool{
		"/keys": true, "/moved": true,
		"/down": false, "/round": false, "/file": false, "/201": false, "/203": false, "/404": false, "/500": false,
	} {
		j := NewJWKS(JWKSConfig{URL: secure.URL + path, HTTP: secure.Client(), Log: slog.New(slog.DiscardHandler)})
		if _, err := j.Set(t.Context(), ""); (err == nil) != good {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestLogsIssuerURLWithoutPassword(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	var log strings.Builder
	j := NewJWKS(JWKSConfig{
		URL: strings.Replace(server.URL, "//", "//shop:s3cret@", 1) + "/keys", HTTP: server.Client(), Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if _, err := j.Set(t.Context(), ""); err == nil || strings.Contains(err.Error()+log.String(), "s3cret") || !strings.Contains(log.String(), "/keys") {
		t.Errorf("error %v; log %s", err, &log)
	}
}
