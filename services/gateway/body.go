package gateway

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"quadrille/pkg/fault"
)

// watched is a request's body that knows whether its sender failed, so that no
// service is blamed for that.
type watched struct {
	io.ReadCloser

	err   atomic.Pointer[error]
	whole func() // called at its end
}

// whole has a body that the gateway reads itself come in time, like one that it
// passes on.
func whole(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		body := watch(c.Response(), c.Request())
		err := next(c)
		if broken := body.broken(); broken != nil && err != nil {
			return broken
		}
		return err
	}
}

// watch puts a watched body into r. Where r has a deadline, the sender has four
// fifths of the time; the rest is the service's.
func watch(w http.ResponseWriter, r *http.Request) *watched {
	body := &watched{ReadCloser: r.Body, whole: func() {}}
	if r.ContentLength == 0 {
		return body
	}
	if deadline, has := r.Context().Deadline(); has {
		until := http.NewResponseController(w)
		body.whole = func() { _ = until.SetReadDeadline(time.Time{}) }
		_ = until.SetReadDeadline(time.Now().Add(time.Until(deadline) * 4 / 5)) // what cannot be bounded here is bounded by the deadline
	}
	r.Body = body
	return body
}

// Read is io.Reader's.
func (b *watched) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		b.whole()
	case err != nil && !errors.Is(err, http.ErrBodyReadAfterClose):
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
	case errors.As(*err, new(*http.MaxBytesError)):
		return *err
	case errors.Is(*err, os.ErrDeadlineExceeded):
		return echo.NewHTTPError(http.StatusRequestTimeout, "the body did not come in time")
	default:
		return fault.New(fault.Malformed, "body_incomplete", "the body broke off before its end")
	}
}
