package rest

import (
	"errors"
	"io"
	"net"
	"net/http"

	"github.com/labstack/echo/v4"

	"quadrille/pkg/fault"
)

// BodyLimits bounds the bytes of bodies.
type BodyLimits struct {
	Body   int64
	CSV    int64 // for uploads
	Upload Upload
}

// Middleware enforces the limits. A larger body causes an *http.MaxBytesError.
func (l BodyLimits) Middleware() echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			sent := c.Request().Body
			if err := l.on(c); err != nil {
				return err
			}
			err := next(c)
			var tooLarge *http.MaxBytesError
			if errors.As(err, &tooLarge) {
				drain(sent)
			}
			return err
		}
	}
}

// drain reads up to 8 MiB more of a body: a sender whose connection is closed while it sends
// often does not see the response.
func drain(body io.Reader) {
	const maxBytes = 8 << 20
	_, _ = io.CopyN(io.Discard, body, maxBytes) // the response is the same after an error
}

// on limits the body of one request. If its Content-Length is too large, on returns an error
// without reading it.
func (l BodyLimits) on(c echo.Context) error {
	r, limit := c.Request(), l.Body
	if l.Upload(r) {
		limit = l.CSV
	}
	if r.ContentLength > limit {
		c.Response().Header().Set("Connection", "close")
		return &http.MaxBytesError{Limit: limit}
	}
	if r.Body != nil {
		r.Body = http.MaxBytesReader(c.Response(), wholeBody{r.Body}, limit)
	}
	return nil
}

// wholeBody returns a Malformed fault if the body is incomplete or its chunks are malformed.
// It passes time-outs and the faults of other readers on.
type wholeBody struct{ io.ReadCloser }

func (b wholeBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	var (
		network net.Error
		inner   *fault.Fault
		status  *echo.HTTPError
	)
	if err == nil || errors.Is(err, io.EOF) || errors.As(err, &network) || errors.As(err, &inner) || errors.As(err, &status) {
		return n, err //nolint:wrapcheck // readers compare io.EOF
	}
	return n, fault.New(fault.Malformed, "body_incomplete",
		"the body is shorter than its Content-Length, or its chunks are malformed; send it again")
}
