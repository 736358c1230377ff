package identity

import (
	"context"
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
	HTTP *http.Client // with a time-out
	Log  *slog.Logger
	// Fresh is how long keys are used without asking again, 5 min where 0: so long a
	// key that the issuer took back may still be good.
	Fresh time.Duration
	// Stale is how long they are used where the issuer does not answer, 1 h where 0.
	Stale time.Duration
	// Pause is the least time between two questions, 10 s where 0: whoever sends
	// tokens with made-up key IDs does not have us ask for each.
	Pause time.Duration
	now   func() time.Time
}

// JWKS is the keys that an issuer publishes, kept and asked for again as it
// rotates them. It is safe for concurrent use.
type JWKS struct {
	cfg JWKSConfig

	mu    sync.Mutex // held while asking: one asks for all
	set   jwk.Set
	got   time.Time // when set was fetched
	asked time.Time // when it was last tried
	err   error     // why the last try failed
}

// NewJWKS asks nobody yet.
func NewJWKS(cfg JWKSConfig) *JWKS {
	if cfg.Fresh == 0 {
		cfg.Fresh = 5 * time.Minute
	}
	if cfg.Stale == 0 {
		cfg.Stale = time.Hour
	}
	if cfg.Pause == 0 {
		cfg.Pause = 10 * time.Second
	}
	if cfg.now == nil {
		cfg.now = time.Now
	}
	return &JWKS{cfg: cfg}
}

// Set is KeySource's.
func (j *JWKS) Set(ctx context.Context, kid string) (jwk.Set, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.cfg.now()
	if j.set != nil && now.Sub(j.got) < j.cfg.Fresh && j.has(kid) {
		return j.set, nil
	}
	if j.asked.IsZero() || now.Sub(j.asked) >= j.cfg.Pause {
		j.ask(ctx, now)
	}
	if j.set == nil || now.Sub(j.got) >= j.cfg.Stale {
		return nil, fmt.Errorf("keys of the issuer: %w", j.err)
	}
	return j.set, nil
}

func (j *JWKS) has(kid string) bool {
	if kid == "" {
		return true
	}
	_, found := j.set.LookupKeyID(kid)
	return found
}

// ask fetches the keys, for all who wait: a caller who goes away does not end it.
func (j *JWKS) ask(ctx context.Context, now time.Time) {
	const within = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	j.asked = now
	set, err := jwk.Fetch(ctx, j.cfg.URL, jwk.WithHTTPClient(j.cfg.HTTP))
	if err != nil {
		j.err = err
		j.cfg.Log.Warn("the issuer's keys cannot be fetched", "url", j.cfg.URL, "error", err)
		return
	}
	j.set, j.got, j.err = set, now, nil
}
