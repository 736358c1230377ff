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

// settled waits until the issuer has answered what it was asked.
func settled(j *JWKS) {
	j.mu.Lock()
	asking := j.asking
	j.mu.Unlock()
	if asking != nil {
		<-asking
	}
}

// clock is one that the test turns.
type clock struct {
	began time.Time
	since atomic.Int64
}

func (c *clock) now() time.Time        { return c.began.Add(time.Duration(c.since.Load())) }
func (c *clock) turn(by time.Duration) { c.since.Add(int64(by)) }

// clocked returns an issuer's keys by a clock of the test's, and those whom they make known.
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

// An issuer that does not answer holds nobody up whose key is known, whoever makes keys
// up meanwhile, and however long ago it was asked.
func TestAnIssuerThatHangs(t *testing.T) {
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
				t.Errorf("a stranger who leaves: %v", err)
			}
		})
	}
	<-i.arrived // one of them has the issuer asked
	for _, after := range []time.Duration{0, source.cfg.Pause, source.cfg.Fresh - 2*source.cfg.Pause, source.cfg.Fresh, source.cfg.Pause} {
		clock.turn(after)
		if _, err := a.Authenticate(t.Context(), good); err != nil {
			t.Errorf("%s later: %v", after, err)
		}
	}
	leave()
	strangers.Wait()
	if i.askedFor() != 2 {
		t.Errorf("it was asked %d times at once", i.askedFor()-1)
	}
}

// Keys are asked for again before they are too old, by whoever comes by, and who comes
// by does not wait.
func TestKeysAreKeptFresh(t *testing.T) {
	i := newIssuer(t, "one")
	source, a, clock := clocked(t, i)
	good := i.token(t, "one")
	_, err := a.Authenticate(t.Context(), good)
	must(t, err)
	i.rotate(t, "one", "two")
	clock.turn(source.cfg.Fresh - time.Second)
	if _, err := a.Authenticate(t.Context(), good); err != nil {
		t.Errorf("before its time: %v", err)
	}
	settled(source)
	if i.askedFor() != 2 {
		t.Errorf("the issuer was asked %d times, want 2", i.askedFor())
	}
	if _, err := a.Authenticate(t.Context(), good); codeOf(err) != "token_invalid" {
		t.Errorf("when it was taken back: %v", err)
	}
	// Nobody came by for a long time: then one waits, rather than being told what was
	// true long ago.
	i.rotate(t, "two", "three")
	two := "Bearer " + signed(t, jwa.ES256(), i.key("three"), claims(nil))
	clock.turn(source.cfg.Fresh)
	if _, err := a.Authenticate(t.Context(), two); err != nil {
		t.Errorf("a new key, long after: %v", err)
	}
}

// A key that was published a moment after the issuer was asked is waited for. One that
// was taken back is wrong at once.
func TestAKeyThatIsTooNew(t *testing.T) {
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
		t.Errorf("a moment later: %v, after %s", err, clock.now().Sub(before))
	}
	clock.turn(source.cfg.Pause / 10)
	if _, err := a.Authenticate(t.Context(), old); codeOf(err) != "token_invalid" {
		t.Errorf("one that was taken back: %v", err)
	}
	i.mu.Lock()
	i.keys["old"] = i.taken["old"]
	i.mu.Unlock()
	clock.turn(source.cfg.Pause)
	if _, err := a.Authenticate(t.Context(), old); err != nil {
		t.Errorf("one that was taken back, and published again: %v", err)
	}
	i.mu.Lock()
	i.away = true
	i.mu.Unlock()
	clock.turn(source.cfg.Pause)
	made := "Bearer " + signed(t, jwa.ES256(), newKey(t, "three"), claims(nil))
	if _, err := a.Authenticate(t.Context(), made); !fault.Is(err, fault.Unavailable) {
		t.Errorf("one that nobody can be asked for: %v", err)
	}
}

// A token that names no key is as good, when its key is new.
func TestANewKeyThatIsNotNamed(t *testing.T) {
	i := newIssuer(t, "one")
	_, a, _ := clocked(t, i)
	_, err := a.Authenticate(t.Context(), i.token(t, "one"))
	must(t, err)
	nameless := newKey(t, "")
	token := "Bearer " + signed(t, jwa.ES256(), nameless, claims(nil))
	if _, err := a.Authenticate(t.Context(), token); codeOf(err) != "token_invalid" {
		t.Errorf("before it is published: %v", err)
	}
	i.mu.Lock()
	i.keys["two"] = nameless
	i.mu.Unlock()
	if _, err := a.Authenticate(t.Context(), token); err != nil {
		t.Errorf("once it is published: %v", err)
	}
}

// said returns a source of keys that answers with a document, and what it then knows.
func said(t *testing.T, document string, already ...string) (*JWKS, error) {
	t.Helper()
	answer := atomic.Pointer[string]{}
	answer.Store(&document)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, *answer.Load()) }))
	t.Cleanup(server.Close)
	now := time.Now()
	j := NewJWKS(JWKSConfig{URL: server.URL, HTTP: server.Client(), Log: slog.New(slog.DiscardHandler), now: func() time.Time { return now }})
	for _, before := range already {
		answer.Store(&before)
		if _, err := j.Set(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		answer.Store(&document)
		now = now.Add(j.cfg.Fresh)
	}
	_, err := j.Set(t.Context(), "")
	return j, err
}

// What an issuer publishes that is not understood here is ignored. What is no set of
// keys, or has none that is of use, is an error, and does not replace one that is.
func TestSetsOfKeys(t *testing.T) {
	one := published(t, rsaKey(t))
	for what, c := range map[string]struct {
		document string
		keys     int // 0: none, and an error
	}{
		"one":                    {`{"keys":[` + one + `]}`, 1},
		"one that is repeated":   {`{"keys":[` + one + `,` + one + `]}`, 2},
		"a kind to come":         {`{"keys":[{"kty":"AKP","alg":"ML-DSA-44","pub":"AAAA","kid":"x"},` + one + `]}`, 1},
		"a curve to come":        {`{"keys":[` + one + `,{"kty":"EC","crv":"P-1024","x":"AAAA","y":"AAAA"}]}`, 1},
		"no kind":                {`{"keys":[` + one + `,{"kid":"y"},7,null,"x",{}]}`, 1},
		"more than keys":         {`{"issuer":"x","keys":[` + one + `],"keyring":7}`, 1},
		"one to encrypt":         {`{"keys":[` + one + `,{"use":"enc",` + one[1:] + `]}`, 1},
		"a secret":               {`{"keys":[` + one + `,{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]}`, 1},
		"only a secret":          {`{"keys":[{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]}`, 0},
		"only one to encrypt":    {`{"keys":[{"use":"enc",` + one[1:] + `]}`, 0},
		"only a kind to come":    {`{"keys":[{"kty":"AKP","alg":"ML-DSA-44","pub":"AAAA"}]}`, 0},
		"none":                   {`{"keys":[]}`, 0},
		"no list":                {`{"keys":{}}`, 0},
		"nothing for a list":     {`{"keys":null}`, 0},
		"a key alone":            {one, 0},
		"another document":       {`{"jwks_uri":"https://id.example/keys"}`, 0},
		"a page":                 {`<html>Sign in to the hotel's network</html>`, 0},
		"nothing":                {``, 0},
		"half of it":             {`{"keys":[` + one, 0},
		"more behind it":         {`{"keys":[` + one + `]}{}`, 0},
		"larger than any may be": {`{"keys":[` + one + `],"x":"` + strings.Repeat("x", maxSetBytes) + `"}`, 0},
	} {
		j, err := said(t, c.document)
		if (err == nil) != (c.keys > 0) || c.keys > 0 && j.set.Len() != c.keys {
			t.Errorf("%s: %+v, %v; want %d keys", what, j.set, err, c.keys)
		}
		j, err = said(t, c.document, `{"keys":[`+one+`,`+one+`,`+one+`]}`)
		if want := max(c.keys, 0); err != nil || c.keys > 0 && j.set.Len() != want || c.keys == 0 && j.set.Len() != 3 {
			t.Errorf("%s, after a good one: %+v, %v", what, j.set, err)
		}
	}
}

// Keys are taken from where the issuer publishes them, and whoever answers in its
// place names none.
func TestWhoAnswersForTheIssuer(t *testing.T) {
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

// The log says which issuer it is, and no password of it.
func TestTheLogHasNoPassword(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	var log strings.Builder
	j := NewJWKS(JWKSConfig{
		URL: strings.Replace(server.URL, "//", "//shop:s3cret@", 1) + "/keys", HTTP: server.Client(), Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if _, err := j.Set(t.Context(), ""); err == nil || strings.Contains(err.Error()+log.String(), "s3cret") || !strings.Contains(log.String(), "/keys") {
		t.Errorf("it is %v; the log says %s", err, &log)
	}
}
