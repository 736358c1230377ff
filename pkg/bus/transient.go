package bus

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"quadrille/pkg/fault"
)

// Transient reports whether a failure is one of circumstances, which another try
// may find changed: something is away, busy or full. Anything else is taken for a
// failure of the event, which every try will meet again.
func Transient(err error) bool {
	var f *fault.Fault
	if errors.As(err, &f) {
		return f.Kind == fault.Unavailable
	}
	for _, known := range []error{
		ErrUnavailable, ErrNoStream, ErrClosed, errFenced, errMoved,
		context.Canceled, context.DeadlineExceeded,
		driver.ErrBadConn, sql.ErrConnDone, sql.ErrTxDone, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	var network net.Error
	return errors.As(err, &network) || postgresAway(err) || sqliteBusy(err)
}

// postgresAway goes by the class of the SQLSTATE (PostgreSQL, appendix A).
func postgresAway(err error) bool {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) || pgconn.SafeToRetry(err) {
		return true
	}
	var said *pgconn.PgError
	if !errors.As(err, &said) || len(said.Code) != 5 {
		return false
	}
	classes := []string{
		"08", // connection exception
		"25", // invalid transaction state: read-only after a failover, idle for too long
		"40", // serialization failure, deadlock
		"53", // insufficient resources: disk full, too many connections
		"55", // object not in prerequisite state: lock not available
		"57", // operator intervention: shutdown, cancelled
		"58", // system error
	}
	return slices.Contains(classes, said.Code[:2])
}

// sqliteBusy goes by the primary result code, the lowest byte.
func sqliteBusy(err error) bool {
	var said *sqlite.Error
	if !errors.As(err, &said) {
		return false
	}
	switch said.Code() & 0xff {
	case sqlitelib.SQLITE_BUSY, sqlitelib.SQLITE_LOCKED, sqlitelib.SQLITE_NOMEM, sqlitelib.SQLITE_INTERRUPT,
		sqlitelib.SQLITE_IOERR, sqlitelib.SQLITE_FULL, sqlitelib.SQLITE_CANTOPEN, sqlitelib.SQLITE_PROTOCOL:
		return true
	}
	return false
}
