package consumer

import (
	"context"
	"errors"
	"io"
	"net"

	"quadrille/pkg/bus"
	"quadrille/pkg/dberr"
	"quadrille/pkg/fault"
)

// Transient reports whether a retry may succeed although the event does not change: a
// service, the log or the database is unavailable, busy, full or incomplete (see package
// dberr). Every other error counts as the event's own, which every retry would meet again.
func Transient(err error) bool {
	var f *fault.Fault
	if errors.As(err, &f) {
		return f.Kind == fault.Unavailable
	}
	for _, known := range []error{
		bus.ErrUnavailable, bus.ErrNoStream, bus.ErrClosed, errFenced, errMoved,
		context.Canceled, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	var network net.Error
	return errors.As(err, &network) || dberr.Transient(err)
}
