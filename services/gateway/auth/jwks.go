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

// Fixed is keys that do not change while the process runs.
func Fixed(set jwk.Set) KeySource { return fixed{set} }

type fixed struct{ set jwk.Set }

func (f fixed) Set(context.Context, string) (jwk.Set, error) { return f.set, nil }

// JWKSConfig says where an issuer publishes its keys (RFC 7517, section 5).
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

// JWKS is the keys that an issuer publishes, kept and asked for again as it
// rotates them. It is safe for concurrent use. Nobody waits for the issuer whose key is
// known; only who needs one that is not.
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

// errNotSure: a key is not known, and it may be too new to be.
var errNotSure = errors.New("key of the issuer is not known yet")

// NewJWKS asks nobody yet.
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
	cfg.HTTP = careful(cfg.HTTP)
	return &JWKS{cfg: cfg, gone: map[string]bool{}}
}

// Set is KeySource's. For a key that is not known the issuer is asked, if need be after
// a pause: what it said before now does not tell whether there is one. One that was
// known and is no more was taken back.
func (j *JWKS) Set(ctx context.Context, kid string) (jwk.Set, error) {
	began := j.cfg.now()
	for {
		set, asking := j.look(j.cfg.now(), kid)
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
		if set, err, told := j.verdict(began, kid); told {
			return set, err
		}
		if ctx.Err() != nil {
			return nil, errNotSure
		}
	}
}

// verdict is what can be said of a key by what the issuer has said, and whether that
// is anything.
func (j *JWKS) verdict(began time.Time, kid string) (set jwk.Set, err error, told bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	tried := j.asking == nil && !j.asked.Before(began)
	switch good := j.good(j.cfg.now()); {
	case good && (j.has(kid) || j.gone[kid] || !j.got.Before(began)):
		return j.set, nil, true
	case !good && j.err != nil && j.asking == nil:
		return nil, fmt.Errorf("keys of the issuer: %w", j.err), true
	case tried:
		return nil, errNotSure, true
	}
	return nil, nil, false
}

// pause is how long the issuer is not to be asked again.
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

// look is the keys, where they will do as they are; else what to wait for, if the
// issuer is being asked. Keys are asked for again in good time, before they are too old
// to do.
func (j *JWKS) look(now time.Time, kid string) (set jwk.Set, asking <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	known := j.good(now) && j.has(kid)
	old := now.Sub(j.got) >= j.cfg.Fresh*4/5
	idle := j.asking == nil && now.Sub(j.asked) >= j.cfg.Fresh // nobody called for so long that old keys would be too old
	if !known || old {
		j.begin(now)
	}
	if known && !idle {
		return j.set, nil
	}
	return nil, j.asking
}

// good: there are keys, and they are not too old.
func (j *JWKS) good(now time.Time) bool { return j.set != nil && now.Sub(j.got) < j.cfg.Stale }

// has: the set has the key. Of a token that names none, any may be meant.
func (j *JWKS) has(kid string) bool {
	if kid == "" {
		return true
	}
	_, found := j.set.LookupKeyID(kid)
	return found
}

// begin asks the issuer, if nobody does and none did a moment ago.
func (j *JWKS) begin(now time.Time) {
	if j.asking != nil || !j.asked.IsZero() && now.Sub(j.asked) < j.cfg.Pause {
		return
	}
	answered := make(chan struct{})
	j.asked, j.asking = now, answered
	go func() {
		defer close(answered)
		set, err := fetchSet(j.cfg.HTTP, j.cfg.URL)
		if err != nil {
			j.cfg.Log.Warn("the issuer's keys cannot be fetched", "url", redacted(j.cfg.URL), "error", err)
		}
		j.keep(set, err, now)
	}()
}

// keep takes what the issuer said when it was asked at a time. Where that is no keys,
// those there are stay.
func (j *JWKS) keep(set jwk.Set, err error, asked time.Time) {
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

// kids is the IDs of keys; of no set there are none.
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
