package edge

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/labstack/echo/v4"

	"quadrille/pkg/fault"
)

// watched is a request's body that knows whether its sender failed, so that no
// service is blamed for that.
type watched struct {
	io.ReadCloser

	err atomic.Pointer[error]
}

// whole has a body that the gateway reads itself be its sender's business, like one
// that it passes on.
func whole(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		body := watch(c.Request())
		err := next(c)
		if broken := body.broken(); broken != nil && err != nil {
			return broken
		}
		return err
	}
}

// watch puts a watched body into r.
func watch(r *http.Request) *watched {
	body := &watched{ReadCloser: r.Body}
	if r.ContentLength != 0 {
		r.Body = body
	}
	return body
}

// Read is io.Reader's.
func (b *watched) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, http.ErrBodyReadAfterClose) {
		b.err.Store(&err)
	}
	return n, err
}

// broken is what the sender is told of a body that it did not finish; nil where it
// did, or where nobody wanted more of it.
func (b *watched) broken() error {
	err := b.err.Load()
	switch {
	case err == nil:
		return nil
	case errors.As(*err, new(*http.MaxBytesError)), errors.As(*err, new(*echo.HTTPError)):
		return *err // it is said what is wrong
	default:
		return fault.New(fault.Malformed, "body_incomplete", "the body broke off before its end")
	}
}
