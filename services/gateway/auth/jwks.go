package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwk"
)

// Fixed returns a KeySource that always returns set.
func Fixed(set jwk.Set) KeySource { return fixed{set} }

type fixed struct{ set jwk.Set }

func (f fixed) Set(context.Context, string) (jwk.Set, error) { return f.set, nil }

// JWKSConfig configures a JWKS (RFC 7517, section 5). URL, HTTP and Log are required.
type JWKSConfig struct {
	URL  string
	HTTP *http.Client
	Log  *slog.Logger
	// Fresh bounds the age of keys before they are fetched again, and so how long a key
	// that the issuer withdrew is still accepted. Default: 5 min.
	Fresh time.Duration
	// Stale bounds the age of keys while the issuer does not respond. Default: 1 h.
	Stale time.Duration
	// Pause is the minimum time between two fetches, so that tokens with invented key IDs
	// do not cause a fetch each; their callers wait for the next one. Default: 1 s.
	Pause time.Duration
	now   func() time.Time
	sleep func(ctx context.Context, d time.Duration)
}

// JWKS caches the keys that an issuer publishes and follows their rotation. It is safe
// for concurrent use. Callers wait for the issuer only if their key is unknown or the
// cached keys are too old.
type JWKS struct {
	cfg JWKSConfig

	mu        sync.Mutex      // never held during a fetch
	set       jwk.Set         // the latest keys, immutable; nil: none fetched yet
	setAt     time.Time       // start of the fetch that returned set
	withdrawn map[string]bool // IDs of keys that an earlier set had and the latest lacks
	fetchedAt time.Time       // start of the last fetch
	fetching  chan struct{}   // closed at the end of the current fetch; nil: none runs
	err       error           // of the last fetch
}

// errKeyUnconfirmed reports an unknown key that the issuer may have published since the
// last fetch.
var errKeyUnconfirmed = errors.New("key of the issuer is not known yet")

// NewJWKS creates a JWKS. It does not fetch yet.
func NewJWKS(cfg JWKSConfig) *JWKS {
	if cfg.Fresh == 0 {
		cfg.Fresh = 5 * time.Minute
	}
	if cfg.Stale == 0 {
		cfg.Stale = time.Hour
	}
	if cfg.Pause == 0 {
		cfg.Pause = time.Second
	}
	if cfg.now == nil {
		cfg.now = time.Now
	}
	if cfg.sleep == nil {
		cfg.sleep = sleep
	}
	cfg.HTTP = restrictRedirects(cfg.HTTP)
	return &JWKS{cfg: cfg, withdrawn: map[string]bool{}}
}

// Set implements KeySource. For an unknown key it waits for a fetch that starts after
// the call, if need be after Pause: an earlier fetch cannot tell whether the key exists
// now. It does not wait for a key that the issuer withdrew.
func (j *JWKS) Set(ctx context.Context, kid string) (jwk.Set, error) {
	began := j.cfg.now()
	for {
		set, fetching := j.cached(j.cfg.now(), kid)
		if set != nil {
			return set, nil
		}
		if fetching == nil {
			j.cfg.sleep(ctx, j.pause(j.cfg.now()))
		} else {
			select {
			case <-fetching:
			case <-ctx.Done():
			}
		}
		if set, err, decided := j.result(began, kid); decided {
			return set, err
		}
		if ctx.Err() != nil {
			return nil, errKeyUnconfirmed
		}
	}
}

// result returns the outcome of a call to Set that began at the given time. decided is
// false if Set must wait for another fetch.
func (j *JWKS) result(began time.Time, kid string) (set jwk.Set, err error, decided bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	tried := j.fetching == nil && !j.fetchedAt.Before(began)
	switch usable := j.usable(j.cfg.now()); {
	case usable && (j.has(kid) || j.withdrawn[kid] || !j.setAt.Before(began)):
		return j.set, nil, true
	case !usable && j.err != nil && j.fetching == nil:
		return nil, fmt.Errorf("keys of the issuer: %w", j.err), true
	case tried:
		return nil, errKeyUnconfirmed, true
	}
	return nil, nil, false
}

// pause returns the time until the next fetch is allowed.
func (j *JWKS) pause(now time.Time) time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	return max(0, j.cfg.Pause-now.Sub(j.fetchedAt))
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// cached returns the cached keys if they have the key and are fresh enough. Otherwise it
// returns the channel of the current fetch, which may be nil. It starts a fetch when
// keys reach 4/5 of Fresh, so that callers rarely wait for one.
func (j *JWKS) cached(now time.Time, kid string) (set jwk.Set, fetching <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	known := j.usable(now) && j.has(kid)
	old := now.Sub(j.setAt) >= j.cfg.Fresh*4/5
	idle := j.fetching == nil && now.Sub(j.fetchedAt) >= j.cfg.Fresh // without calls there were no fetches: the keys are too old
	if !known || old {
		j.refresh(now)
	}
	if known && !idle {
		return j.set, nil
	}
	return nil, j.fetching
}

// usable reports whether keys were fetched within Stale.
func (j *JWKS) usable(now time.Time) bool { return j.set != nil && now.Sub(j.setAt) < j.cfg.Stale }

// has reports whether the set has the key. An empty ID matches any key: a token need
// not name one.
func (j *JWKS) has(kid string) bool {
	if kid == "" {
		return true
	}
	_, found := j.set.LookupKeyID(kid)
	return found
}

// refresh starts a fetch, unless one runs or started within Pause.
func (j *JWKS) refresh(now time.Time) {
	if j.fetching != nil || !j.fetchedAt.IsZero() && now.Sub(j.fetchedAt) < j.cfg.Pause {
		return
	}
	done := make(chan struct{})
	j.fetchedAt, j.fetching = now, done
	go func() {
		defer close(done)
		set, err := fetchSet(j.cfg.HTTP, j.cfg.URL)
		if err != nil {
			j.cfg.Log.Warn("keys of the issuer were not fetched", "url", redacted(j.cfg.URL), "error", err)
		}
		j.store(set, err, now)
	}()
}

// store ends a fetch that started at the given time and keeps its result. After an error
// the previous keys stay.
func (j *JWKS) store(set jwk.Set, err error, started time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fetching, j.err = nil, err
	if err != nil {
		return
	}
	for _, kid := range kids(j.set) {
		j.withdrawn[kid] = true
	}
	for _, kid := range kids(set) {
		delete(j.withdrawn, kid)
	}
	j.set, j.setAt = set, started
}

// kids returns the IDs of the keys in set, which may be nil.
func kids(set jwk.Set) (all []string) {
	if set == nil {
		return nil
	}
	for i := range set.Len() {
		key, _ := set.Key(i)
		kid, _ := key.KeyID()
		all = append(all, kid)
	}
	return all
}
