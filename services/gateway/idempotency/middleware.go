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

	"quadrille/internal/rest"
	"quadrille/pkg/fault"
)

// Header is the name of the key's header, and what it may hold.
const (
	Header   = "Idempotency-Key"
	maxKey   = 200
	maxBody  = 1 << 20 // of an answer that is kept, in bytes
	replayed = "Idempotency-Replayed"
)

// hasKey reports whether a request may be sent again.
func hasKey(r *http.Request) bool {
	return r.Method == http.MethodPost && len(r.Header.Values(Header)) > 0
}

// Outlive has a request that may be sent again be worked on to its end, although its
// caller left in the middle: what was done must be known when it is sent again. It
// goes before what bounds a request's time.
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

// Middleware answers a POST that was sent before with the same key as it was
// answered then. caller tells callers apart. The service is sent the key's scope in
// place of the key.
func Middleware(s *Store, caller func(context.Context) string) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			if !hasKey(r) {
				return next(c)
			}
			key := r.Header.Get(Header)
			if key == "" || len(key) > maxKey || len(r.Header.Values(Header)) > 1 {
				return fault.New(fault.Malformed, "idempotency_key_invalid", "there is one Idempotency-Key, and it has 1 to %d characters", maxKey).
					With("#/header/Idempotency-Key", "has 1 to 200 characters")
			}
			print, err := fingerprint(r)
			if err != nil {
				return err
			}
			defer r.Body.Close() //nolint:errcheck // it was read
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

// handle has the request handled and keeps its answer. The end of the caller does not
// end the keeping.
func (s *Store) handle(c echo.Context, mine Claim, next echo.HandlerFunc) error {
	ctx := context.WithoutCancel(c.Request().Context())
	recorded := &recorder{ResponseWriter: c.Response().Writer}
	c.Response().Writer = recorded
	done := false
	defer s.keepRenewed(ctx, mine)()
	defer func() {
		if !done {
			_ = s.Release(ctx, mine) // it panicked; whoever sends it again is not kept waiting
		}
	}()
	err := next(c)
	if err != nil {
		c.Error(err) // so that it is written, and kept
	}
	done = true
	if recorded.tooLarge {
		return s.Release(ctx, mine)
	}
	return s.Finish(ctx, mine, c.Response().Status, c.Response().Header(), recorded.body.Bytes())
}

// keepRenewed renews a claim until it is called off.
func (s *Store) keepRenewed(ctx context.Context, c Claim) (off func()) {
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
				_ = s.Renew(ctx, c) // what fails is tried again; a claim that ends costs one more request to the service, which knows its key
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

// fingerprint tells requests apart by what they ask, and leaves the body to be read
// again.
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

// recorder remembers what is written through it.
type recorder struct {
	http.ResponseWriter

	body     bytes.Buffer
	tooLarge bool
}

// Write is http.ResponseWriter's. That the caller left is no reason to end: what the
// request is answered is kept for when it is sent again.
func (r *recorder) Write(p []byte) (int, error) {
	if r.body.Len()+len(p) > maxBody {
		r.tooLarge = true
	} else {
		r.body.Write(p)
	}
	_, _ = r.ResponseWriter.Write(p)
	return len(p), nil
}

// Unwrap lets http.ResponseController through.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
