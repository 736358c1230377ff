package idempotency

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"quadrille/internal/platform/rest"
	"quadrille/pkg/fault"
)

// Names of the headers, and limits.
const (
	Header   = "Idempotency-Key"
	maxKey   = 200
	maxBody  = 1 << 20 // of a stored response, in bytes
	replayed = "Idempotency-Replayed"
)

// hasKey reports whether the request carries an Idempotency-Key.
func hasKey(r *http.Request) bool {
	return r.Method == http.MethodPost && len(r.Header.Values(Header)) > 0
}

// Outlive lets a request with a key finish after its caller has disconnected, so that its
// result is known when it is repeated. It must precede middleware that bounds a request's
// time.
func Outlive(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if hasKey(c.Request()) {
			ctx, end := rest.Outlive(c.Request().Context())
			defer end()
			c.SetRequest(c.Request().WithContext(ctx))
		}
		return next(c)
	}
}

// Middleware replays the stored response to an earlier POST with the same key. caller
// returns the ID of the caller in a context. Middleware forwards the key's scope in place
// of the key.
func Middleware(s *Store, caller func(context.Context) string) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			if !hasKey(r) {
				return next(c)
			}
			key := r.Header.Get(Header)
			if key == "" || len(key) > maxKey || len(r.Header.Values(Header)) > 1 {
				return fault.New(fault.Malformed, "idempotency_key_invalid", "a request must have at most one Idempotency-Key, of 1 to %d characters", maxKey).
					With("#/header/Idempotency-Key", "must have 1 to 200 characters")
			}
			print, err := fingerprint(r)
			if err != nil {
				return err
			}
			defer r.Body.Close() //nolint:errcheck // the body was read
			scope := Scope(caller(r.Context()), r.Method, r.URL.Path, key)
			r.Header.Set(Header, scope)
			mine, before, err := s.Await(r.Context(), scope, print)
			if err != nil {
				return err
			}
			if before != nil {
				return replay(c, before)
			}
			return s.handle(c, mine, next)
		}
	}
}

// handle handles the request and stores its response, even if the caller has
// disconnected.
func (s *Store) handle(c echo.Context, mine Claim, next echo.HandlerFunc) error {
	ctx := context.WithoutCancel(c.Request().Context())
	recorded := &recorder{ResponseWriter: c.Response().Writer}
	c.Response().Writer = recorded
	done := false
	defer s.keepRenewed(ctx, mine)()
	defer func() {
		if !done {
			_ = s.Release(ctx, mine) // the handler panicked; a repetition need not wait for the claim's end
		}
	}()
	err := next(c)
	if err != nil {
		c.Error(err) // writes the response, so that it is recorded
	}
	done = true
	if recorded.tooLarge {
		return s.Release(ctx, mine)
	}
	return s.Finish(ctx, mine, c.Response().Status, c.Response().Header(), recorded.body.Bytes())
}

// keepRenewed renews a claim until stop is called.
func (s *Store) keepRenewed(ctx context.Context, c Claim) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() {
		tick := time.NewTicker(renewInterval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				_ = s.Renew(ctx, c) // retried at the next tick; should the claim end, the service still recognizes the key
			}
		}
	})
	return func() { cancel(); renewing.Wait() }
}

func replay(c echo.Context, a *Answer) error {
	h := c.Response().Header()
	maps.Copy(h, a.Header)
	h.Set(replayed, "true")
	c.Response().WriteHeader(a.Status)
	_, err := c.Response().Write(a.Body)
	return err
}

// fingerprint returns a hash of the request's query, media type and body. It replaces the
// body by one that can be read again.
func fingerprint(r *http.Request) (string, error) {
	sum := sha256.New()
	_, _ = io.WriteString(sum, r.URL.RawQuery+"\n"+r.Header.Get("Content-Type")+"\n")
	body, err := spool(r.Body, sum)
	if err != nil {
		return "", err
	}
	r.Body = body
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// recorder copies the response body, up to maxBody bytes.
type recorder struct {
	http.ResponseWriter

	body     bytes.Buffer
	tooLarge bool // the body exceeds maxBody and is incomplete
}

// Write implements http.ResponseWriter. It ignores write errors: if the caller has
// disconnected, the response is still stored for a repetition of the request.
func (r *recorder) Write(p []byte) (int, error) {
	if r.body.Len()+len(p) > maxBody {
		r.tooLarge = true
	} else {
		r.body.Write(p)
	}
	_, _ = r.ResponseWriter.Write(p)
	return len(p), nil
}

// Unwrap serves http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
