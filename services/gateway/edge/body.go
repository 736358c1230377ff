package edge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/labstack/echo/v4"

	"quadrille/internal/platform/rest"
	"quadrille/pkg/fault"
)

// trackedBody records whether reading the request's body failed, so that the error is
// reported to the sender instead of blamed on a service.
type trackedBody struct {
	io.ReadCloser

	err atomic.Pointer[error]
}

// blameSender returns a failure to read the body in place of the error that it caused. It
// serves requests whose body the gateway itself reads.
func blameSender(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		body := trackBody(c.Request())
		err := next(c)
		if broken := body.failure(); broken != nil && err != nil {
			return broken
		}
		return err
	}
}

// trackBody replaces the body of r with a trackedBody.
func trackBody(r *http.Request) *trackedBody {
	body := &trackedBody{ReadCloser: r.Body}
	if r.ContentLength != 0 {
		r.Body = body
	}
	return body
}

// Read implements io.Reader.
func (b *trackedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, http.ErrBodyReadAfterClose) {
		b.err.Store(&err)
	}
	return n, err
}

// failure returns the error for a body that its sender did not complete: a fault
// (Malformed) or the error of a size limit. It returns nil if reading did not fail.
func (b *trackedBody) failure() error {
	err := b.err.Load()
	switch {
	case err == nil:
		return nil
	case errors.As(*err, new(*http.MaxBytesError)), errors.As(*err, new(*echo.HTTPError)):
		return *err // already an error for the caller
	default:
		return fault.New(fault.Malformed, "body_incomplete", "the request body ended early")
	}
}

// rejectEncoded refuses a body with a Content-Encoding (415). The gateway checks bodies
// that it forwards, and it does not decode any encoding.
func rejectEncoded(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		for coding := range strings.SplitSeq(strings.Join(r.Header.Values("Content-Encoding"), ","), ",") {
			coding = strings.TrimSpace(coding)
			if r.ContentLength != 0 && coding != "" && !strings.EqualFold(coding, "identity") {
				return echo.NewHTTPError(http.StatusUnsupportedMediaType, "send the body without a Content-Encoding")
			}
		}
		return next(c)
	}
}

// readJSON decodes the body of a request that the gateway itself handles. It refuses
// unknown members and trailing data.
func readJSON(c echo.Context, into any) error {
	media, _, _ := mime.ParseMediaType(c.Request().Header.Get("Content-Type"))
	if media != echo.MIMEApplicationJSON {
		return echo.ErrUnsupportedMediaType
	}
	text, err := io.ReadAll(c.Request().Body)
	if err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	if err := rest.CheckJSON(text); err != nil {
		return err
	}
	body := json.NewDecoder(bytes.NewReader(text))
	body.DisallowUnknownFields()
	err = body.Decode(into)
	if err == nil && !errors.Is(body.Decode(new(any)), io.EOF) {
		err = errors.New("unexpected data after the JSON value")
	}
	if err != nil {
		return fault.New(fault.Malformed, "body_invalid", "the body is not valid: %s", err)
	}
	return nil
}
