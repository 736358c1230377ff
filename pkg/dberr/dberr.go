// Package dberr classifies the errors of PostgreSQL and SQLite: some are transient, some
// are caused by the data of the statement. REST and consumers both use this
// classification, so that a request gets 503 in exactly the cases in which an event waits.
//
// The driver below database/sql passes each of its errors through Mark, so Row, Rows,
// Scan, Begin, Commit and Conn need no translation of their own.
package dberr

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
)

// Kind classifies an error.
type Kind int

const (
	// Other means that a retry cannot help: the data of the statement breaks a rule, or
	// the error does not come from a database.
	Other Kind = iota
	// Unavailable means that the database cannot be reached, is read-only, full, busy or
	// shutting down, or took too long. A retry may succeed.
	Unavailable
	// Conflict means that the transaction was rolled back because of a concurrent one: a
	// serialization failure or a deadlock. It changed nothing and can be run again.
	Conflict
	// Unfit means that the database lacks a table, a column, a right or a feature that
	// the statement needs. The data is not at fault; an operator has to act.
	Unfit
)

// String names the kind.
func (k Kind) String() string {
	return [...]string{"other", "unavailable", "conflict", "unfit"}[k]
}

var (
	// ErrUnavailable is matched by errors of the kinds Unavailable and Conflict.
	ErrUnavailable = errors.New("the database is unavailable")
	// ErrUnfit is matched by errors of the kind Unfit.
	ErrUnfit = errors.New("the database lacks what the statement needs")
)

// classified is a driver's error with its kind.
type classified struct {
	kind  Kind
	cause error
}

// Error returns the sentinel's text and the driver's.
func (e *classified) Error() string { return e.sentinel().Error() + ": " + e.cause.Error() }

// Unwrap returns the sentinel and the driver's error.
func (e *classified) Unwrap() []error { return []error{e.sentinel(), e.cause} }

func (e *classified) sentinel() error {
	if e.kind == Unfit {
		return ErrUnfit
	}
	return ErrUnavailable
}

// Mark adds the kind to an error that a database driver returned. It returns the error
// unchanged if its kind is Other, if it is marked already, if ctx has ended (the caller's
// doing), and if it is io.EOF or driver.ErrBadConn, which database/sql compares with.
//
// Only the driver may call Mark: callers of database/sql cannot tell whether a network
// error came from the database connection.
func Mark(ctx context.Context, err error) error {
	var marked *classified
	switch {
	case err == nil || errors.As(err, &marked):
		return err
	case errors.Is(err, driver.ErrBadConn), err == io.EOF: //nolint:errorlint // the end of rows is bare
		return err
	}
	kind := reported(err)
	if kind == Other && broken(err) && !endedBy(ctx, err) {
		kind = Unavailable
	}
	if kind == Other {
		return err
	}
	return &classified{kind: kind, cause: err}
}

// endedBy reports whether err only means that ctx ended. If a connection attempt ran into
// the caller's deadline, the database did not respond, and endedBy returns false.
func endedBy(ctx context.Context, err error) bool {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) && !errors.Is(ctx.Err(), context.Canceled) {
		return false
	}
	return ctx.Err() != nil
}

// broken reports whether the connection could not be established or can no longer be used.
func broken(err error) bool {
	for _, known := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return true
		}
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err)
}

// reported returns the kind of an error that the server or the SQLite library reported.
func reported(err error) Kind {
	var postgres *pgconn.PgError
	if errors.As(err, &postgres) {
		return ofState(postgres.Code).kind
	}
	var lite sqliteError
	if errors.As(err, &lite) {
		return ofSQLite(lite)
	}
	return Other
}

// Of returns the kind of the database error in the chain of err, or Other.
func Of(err error) Kind {
	var marked *classified
	if errors.As(err, &marked) {
		return marked.kind
	}
	if kind := reported(err); kind != Other {
		return kind
	}
	var connect *pgconn.ConnectError
	switch {
	case errors.Is(err, ErrUnfit):
		return Unfit
	case errors.Is(err, ErrUnavailable), errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone), errors.Is(err, sql.ErrTxDone),
		errors.As(err, &connect), err != nil && pgconn.SafeToRetry(err):
		return Unavailable
	default:
		return Other
	}
}

// Transient reports whether a retry may succeed: whether the kind of err is not Other.
// Such an error is not the fault of an event.
func Transient(err error) bool { return Of(err) != Other }

// Spoils reports whether the connection that returned err must be closed instead of being
// reused: its server shut down or became read-only, or its session no longer has the
// statements that were prepared in it.
func Spoils(err error) bool {
	var postgres *pgconn.PgError
	return errors.As(err, &postgres) && ofState(postgres.Code).spoils
}
