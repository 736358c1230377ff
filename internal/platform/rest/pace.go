package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/labstack/echo/v4"
)

// Stall is how long the sender of an upload may rest in the middle of it.
const Stall = 20 * time.Second

// errLate is what the reader of a body is told whose sender took too long.
var errLate = echo.NewHTTPError(http.StatusRequestTimeout, "the body did not come in time")

// ReadWithin has a body come in this time, whoever reads it, also if nobody does: the
// server itself takes in what a handler left. An upload is given more by Deadline.
func ReadWithin(limit time.Duration) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if r := c.Request(); r.ContentLength != 0 && r.Body != nil {
				conn := http.NewResponseController(c.Response())
				_ = conn.SetReadDeadline(time.Now().Add(limit)) // what came as RPC is here already
				// Of a request of our own: by its body the server knows that it was not read to its
				// end, and lets the sender read the answer before it hangs up.
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
		_ = t.conn.SetReadDeadline(time.Time{}) // from now on it would be taken for the end of the caller
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errLate
	}
	return n, err
}

// pace lets an upload take as long as something moves. A sender that rests for Stall is
// told so; where the handler takes nothing for limit, or needs longer once it has all,
// it is over.
func pace(c echo.Context, limit time.Duration, next echo.HandlerFunc) error {
	ctx, cancel := context.WithCancelCause(c.Request().Context())
	defer cancel(nil)
	idle := time.AfterFunc(limit, func() { cancel(context.DeadlineExceeded) })
	defer idle.Stop()
	r := c.Request().WithContext(ctx)
	if r.Body != nil {
		r.Body = &moving{r.Body, http.NewResponseController(c.Response()), min(Stall, limit*4/5), func() { idle.Reset(limit) }}
	}
	c.SetRequest(r)
	return next(c)
}

// moving is a body that has a deadline for each piece of it.
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
