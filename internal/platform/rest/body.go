package rest

import (
	"errors"
	"io"
	"net"

	"github.com/labstack/echo/v4"

	"quadrille/pkg/fault"
)

// wholeBody reports a body that breaks off, or whose chunks are malformed, as a fault
// of the request. Timeouts, and faults of other readers, stay as they are.
type wholeBody struct{ io.ReadCloser }

func (b wholeBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	var (
		network net.Error
		told    *fault.Fault
		status  *echo.HTTPError
	)
	if err == nil || errors.Is(err, io.EOF) || errors.As(err, &network) || errors.As(err, &told) || errors.As(err, &status) {
		return n, err //nolint:wrapcheck // io.EOF must stay as it is
	}
	return n, fault.New(fault.Malformed, "body_incomplete",
		"the body ended before the length that Content-Length gives, or its chunks are malformed: send it again as a whole")
}
