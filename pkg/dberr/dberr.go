// Package dberr classifies the errors of PostgreSQL and SQLite: which of them another
// try may find gone, and which are the fault of the statement's own data. REST and
// consumers both go by it, so that a request is answered with 503 exactly where an
// event waits.
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
	"modernc.org/sqlite"
)

// Kind says what kind of failure an error is.
type Kind int

const (
	// Other is an error that no other try mends: the statement's own data breaks a
	// rule, or the error is not a database's at all.
	Other Kind = iota
	// Unavailable is a database that cannot be reached, is read-only, full, busy or
	// shutting down, or that took too long. Another try may find it well.
	Unavailable
	// Conflict is a transaction that lost to another one: a serialization failure or a
	// deadlock. It changed nothing and succeeds when it is run again.
	Conflict
	// Unfit is a database that lacks a table, a column, a right or a feature that the
	// statement needs. Nothing is wrong with the data; an operator has to act.
	Unfit
)

// String names the kind.
func (k Kind) String() string {
	return [...]string{"other", "unavailable", "conflict", "unfit"}[k]
}

var (
	// ErrAway is matched by errors of the kinds Unavailable and Conflict.
	ErrAway = errors.New("the database is away")
	// ErrUnfit is matched by errors of the kind Unfit.
	ErrUnfit = errors.New("the database lacks what the statement needs")
)

// classified is a driver's error with its kind.
type classified struct {
	kind  Kind
	cause error
}

// Error names the kind and the driver's own words.
func (e *classified) Error() string { return e.sentinel().Error() + ": " + e.cause.Error() }

// Unwrap returns the sentinel of the kind, and the driver's error.
func (e *classified) Unwrap() []error { return []error{e.sentinel(), e.cause} }

func (e *classified) sentinel() error {
	if e.kind == Unfit {
		return ErrUnfit
	}
	return ErrAway
}

// Mark adds the kind to an error that a database driver returned. It leaves alone what
// is of the kind Other, what is marked already, io.EOF and driver.ErrBadConn, which
// database/sql looks for, and the end of ctx, which is the caller's doing.
//
// Only the driver may call it: further up nobody knows whose connection broke.
func Mark(ctx context.Context, err error) error {
	var marked *classified
	switch {
	case err == nil || errors.As(err, &marked):
		return err
	case errors.Is(err, driver.ErrBadConn), err == io.EOF: //nolint:errorlint // the end of rows is bare
		return err
	}
	kind := said(err)
	if kind == Other && broken(err) && !leftBy(ctx, err) {
		kind = Unavailable
	}
	if kind == Other {
		return err
	}
	return &classified{kind: kind, cause: err}
}

// leftBy reports whether err says no more than that ctx ended. A connection attempt
// that ran into the caller's deadline is a database that does not answer.
func leftBy(ctx context.Context, err error) bool {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) && !errors.Is(ctx.Err(), context.Canceled) {
		return false
	}
	return ctx.Err() != nil
}

// broken reports whether the connection could not be made, or is of no more use.
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

// said returns the kind by what the server, or the SQLite library, said.
func said(err error) Kind {
	var postgres *pgconn.PgError
	if errors.As(err, &postgres) {
		return ofState(postgres.Code).kind
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return ofSQLite(lite)
	}
	return Other
}

// Of returns the kind of err, wherever in its chain the database's error is.
func Of(err error) Kind {
	var marked *classified
	if errors.As(err, &marked) {
		return marked.kind
	}
	if kind := said(err); kind != Other {
		return kind
	}
	var connect *pgconn.ConnectError
	switch {
	case errors.Is(err, ErrUnfit):
		return Unfit
	case errors.Is(err, ErrAway), errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone), errors.Is(err, sql.ErrTxDone),
		errors.As(err, &connect), err != nil && pgconn.SafeToRetry(err):
		return Unavailable
	default:
		return Other
	}
}

// Transient reports whether another try may succeed: whether err is of any kind but
// Other. No event is at fault for such an error.
func Transient(err error) bool { return Of(err) != Other }

// Spoils reports whether the connection that returned err is to be closed instead of
// being used again: its server went away or read-only, or its session no longer knows
// the statements that were prepared in it.
func Spoils(err error) bool {
	var postgres *pgconn.PgError
	return errors.As(err, &postgres) && ofState(postgres.Code).spoils
}
