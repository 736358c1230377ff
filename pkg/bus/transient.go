package bus

import (
	"context"
	"errors"
	"io"
	"net"

	"quadrille/pkg/dberr"
	"quadrille/pkg/fault"
)

// Transient reports whether another try may succeed although nothing about the event
// changes: a service, the log or the database is away, busy, full or lacks what it
// should have (see package dberr). Anything else is taken for a failure of the event,
// which every try meets again.
func Transient(err error) bool {
	var f *fault.Fault
	if errors.As(err, &f) {
		return f.Kind == fault.Unavailable
	}
	for _, known := range []error{
		ErrUnavailable, ErrNoStream, ErrClosed, errFenced, errMoved,
		context.Canceled, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	var network net.Error
	return errors.As(err, &network) || dberr.Transient(err)
}
