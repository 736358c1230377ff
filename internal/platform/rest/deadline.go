package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
)

// Upload reports whether a request is an upload, which may be larger and take longer than
// other requests. It must not rely on the request's headers alone.
type Upload func(*http.Request) bool

// UploadsTo returns an Upload for CSV files that are posted to one of these paths.
func UploadsTo(paths ...string) Upload {
	to := map[string]bool{}
	for _, path := range paths {
		to[path] = true
	}
	return func(r *http.Request) bool { return r.Method == http.MethodPost && to[r.URL.Path] && isCSV(r) }
}

// uploadsOf returns an Upload for the operations of document that accept CSV.
func uploadsOf(document *openapi3.T) Upload {
	var paths []string
	for path, item := range document.Paths.Map() {
		if post := item.Post; post != nil && post.RequestBody != nil && post.RequestBody.Value.Content["text/csv"] != nil {
			paths = append(paths, path)
		}
	}
	return UploadsTo(paths...)
}

// Deadline bounds the time of a request: from its start or, for an upload, from the end of
// its body.
func Deadline(limit time.Duration, upload Upload) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if upload(c.Request()) {
				return pace(c, limit, next)
			}
			ctx, cancel := context.WithTimeout(c.Request().Context(), limit)
			defer cancel()
			c.SetRequest(c.Request().WithContext(ctx))
			return next(c)
		}
	}
}

// StallTimeout bounds a pause of the sender within an upload.
const StallTimeout = 20 * time.Second

// errLate is the read error of a body whose sender took too long.
var errLate = echo.NewHTTPError(http.StatusRequestTimeout, "the body did not arrive in time")

// ReadWithin bounds the time in which a body must arrive, even if no handler reads it: the
// server reads the rest after the handler. Deadline extends the time for uploads.
func ReadWithin(limit time.Duration) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if r := c.Request(); r.ContentLength != 0 && r.Body != nil {
				conn := http.NewResponseController(c.Response())
				_ = conn.SetReadDeadline(time.Now().Add(limit)) // fails for RPC, whose bodies are complete
				// Change a copy of the request. The server needs the original body to see that it was
				// not read to its end; it then lets the sender read the response before it closes.
				r = r.WithContext(r.Context())
				r.Body = &timed{r.Body, conn}
				c.SetRequest(r)
			}
			return next(c)
		}
	}
}

// timed is a body with a deadline, until its end.
type timed struct {
	io.ReadCloser

	conn *http.ResponseController
}

// Read implements io.Reader.
func (t *timed) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		_ = t.conn.SetReadDeadline(time.Time{}) // later it would look like a disconnected caller
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errLate
	}
	return n, err
}

// pace lets an upload take as long as it makes progress. A sender that pauses for
// StallTimeout gets 408. The context of the handler ends when the handler reads nothing for
// limit, or needs longer than limit after the end of the body.
func pace(c echo.Context, limit time.Duration, next echo.HandlerFunc) error {
	ctx, cancel := context.WithCancelCause(c.Request().Context())
	defer cancel(nil)
	idle := time.AfterFunc(limit, func() { cancel(context.DeadlineExceeded) })
	defer idle.Stop()
	r := c.Request().WithContext(ctx)
	if r.Body != nil {
		r.Body = &moving{r.Body, http.NewResponseController(c.Response()), min(StallTimeout, limit*4/5), func() { idle.Reset(limit) }}
	}
	c.SetRequest(r)
	return next(c)
}

// moving is a body with a new deadline for each read.
type moving struct {
	io.ReadCloser

	conn  *http.ResponseController
	rest  time.Duration
	moved func()
}

// Read implements io.Reader.
func (m *moving) Read(p []byte) (int, error) {
	_ = m.conn.SetReadDeadline(time.Now().Add(m.rest))
	n, err := m.ReadCloser.Read(p)
	m.moved()
	return n, err
}

// ErrStopping is the cause with which requests are cancelled when the process stops.
var ErrStopping = errors.New("the process is stopping")

// stopKey is the context key of the context that ends all requests.
type stopKey struct{}

// WithStop returns a context for a request that also ends when stop ends, with its cause.
func WithStop(ctx, stop context.Context) (context.Context, context.CancelFunc) {
	ctx, end := endsWith(ctx, stop)
	return context.WithValue(ctx, stopKey{}, stop), end
}

// Outlive returns a context for work that continues if the caller disconnects: it ends at
// the deadline of ctx, or when the process stops.
func Outlive(ctx context.Context) (context.Context, context.CancelFunc) {
	alone, end := context.WithoutCancel(ctx), context.CancelFunc(func() {})
	if deadline, has := ctx.Deadline(); has {
		alone, end = context.WithDeadline(alone, deadline)
	}
	stop, has := ctx.Value(stopKey{}).(context.Context)
	if !has {
		return alone, end
	}
	alone, off := endsWith(alone, stop)
	return alone, func() { off(); end() }
}

func endsWith(ctx, stop context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	off := context.AfterFunc(stop, func() { cancel(context.Cause(stop)) })
	return ctx, func() { off(); cancel(nil) }
}
