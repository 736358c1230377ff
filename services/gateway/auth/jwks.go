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

// Fixed returns a KeySource whose keys do not change.
func Fixed(set jwk.Set) KeySource { return fixed{set} }

type fixed struct{ set jwk.Set }

func (f fixed) Set(context.Context, string) (jwk.Set, error) { return f.set, nil }

// JWKSConfig configures a JWKS (RFC 7517, section 5). URL, HTTP and Log are required.
type JWKSConfig struct {
	URL  string
	HTTP *http.Client
	Log  *slog.Logger
	// Fresh is how long keys are used without asking again, 5 min where 0: so long a
	// key that the issuer took back may still be good.
	Fresh time.Duration
	// Stale is how long they are used where the issuer does not answer, 1 h where 0.
	Stale time.Duration
	// Pause is the least time between two questions, 1 s where 0: whoever sends tokens
	// with made-up key IDs does not have us ask for each, but waits for the next.
	Pause time.Duration
	now   func() time.Time
	sleep func(ctx context.Context, d time.Duration)
}

// JWKS caches the keys that an issuer publishes, and fetches them again as it rotates
// them. It is safe for concurrent use. Only callers that need an unknown key wait for
// the issuer.
type JWKS struct {
	cfg JWKSConfig

	mu     sync.Mutex      // never held while asking
	set    jwk.Set         // the newest; nil: none yet. A set is never changed
	got    time.Time       // when set was asked for
	gone   map[string]bool // keys that were in a set, and are in none now
	asked  time.Time       // when the issuer was last asked
	asking chan struct{}   // closed when it has answered; nil: nobody asks
	err    error           // why the last try failed
}

// errKeyUnconfirmed says that a key is unknown and may be too new to be known.
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
	return &JWKS{cfg: cfg, gone: map[string]bool{}}
}

// Set implements KeySource. For an unknown key it asks the issuer, if need be after a
// pause: earlier answers do not tell whether the key exists now. A key that was known
// and is missing was revoked.
func (j *JWKS) Set(ctx context.Context, kid string) (jwk.Set, error) {
	began := j.cfg.now()
	for {
		set, asking := j.cached(j.cfg.now(), kid)
		if set != nil {
			return set, nil
		}
		if asking == nil {
			j.cfg.sleep(ctx, j.pause(j.cfg.now()))
		} else {
			select {
			case <-asking:
			case <-ctx.Done():
			}
		}
		if set, err, told := j.result(began, kid); told {
			return set, err
		}
		if ctx.Err() != nil {
			return nil, errKeyUnconfirmed
		}
	}
}

// result returns the outcome for a key after the issuer's last answer, and whether
// there is one.
func (j *JWKS) result(began time.Time, kid string) (set jwk.Set, err error, told bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	tried := j.asking == nil && !j.asked.Before(began)
	switch good := j.usable(j.cfg.now()); {
	case good && (j.has(kid) || j.gone[kid] || !j.got.Before(began)):
		return j.set, nil, true
	case !good && j.err != nil && j.asking == nil:
		return nil, fmt.Errorf("keys of the issuer: %w", j.err), true
	case tried:
		return nil, errKeyUnconfirmed, true
	}
	return nil, nil, false
}

// pause returns how long to wait before the issuer may be asked again.
func (j *JWKS) pause(now time.Time) time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	return max(0, j.cfg.Pause-now.Sub(j.asked))
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// cached returns the keys where they can be used; else a channel to wait for, if the
// issuer is being asked. It fetches keys anew before they are too old.
func (j *JWKS) cached(now time.Time, kid string) (set jwk.Set, asking <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	known := j.usable(now) && j.has(kid)
	old := now.Sub(j.got) >= j.cfg.Fresh*4/5
	idle := j.asking == nil && now.Sub(j.asked) >= j.cfg.Fresh // nobody called for so long that old keys would be too old
	if !known || old {
		j.refresh(now)
	}
	if known && !idle {
		return j.set, nil
	}
	return nil, j.asking
}

// usable reports whether there are keys that are not too old.
func (j *JWKS) usable(now time.Time) bool { return j.set != nil && now.Sub(j.got) < j.cfg.Stale }

// has reports whether the set has the key. A token that names no key may be signed by
// any.
func (j *JWKS) has(kid string) bool {
	if kid == "" {
		return true
	}
	_, found := j.set.LookupKeyID(kid)
	return found
}

// refresh asks the issuer, unless a request runs or one was made within Pause.
func (j *JWKS) refresh(now time.Time) {
	if j.asking != nil || !j.asked.IsZero() && now.Sub(j.asked) < j.cfg.Pause {
		return
	}
	answered := make(chan struct{})
	j.asked, j.asking = now, answered
	go func() {
		defer close(answered)
		set, err := fetchSet(j.cfg.HTTP, j.cfg.URL)
		if err != nil {
			j.cfg.Log.Warn("keys of the issuer were not fetched", "url", redacted(j.cfg.URL), "error", err)
		}
		j.store(set, err, now)
	}()
}

// store keeps the issuer's answer. On an error the former keys stay.
func (j *JWKS) store(set jwk.Set, err error, asked time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.asking, j.err = nil, err
	if err != nil {
		return
	}
	for _, kid := range kids(j.set) {
		j.gone[kid] = true
	}
	for _, kid := range kids(set) {
		delete(j.gone, kid)
	}
	j.set, j.got = set, asked
}

// kids returns the IDs of the keys; none for a nil set.
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
