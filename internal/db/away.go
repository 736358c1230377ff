package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/driver/postgres"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// ErrAway is wrapped by errors of a database that cannot be reached, is full or
// busy: nothing is wrong with what was asked, and another try may find it well.
var ErrAway = errors.New("the database is away")

// marked adds ErrAway to an error of postgresAway's or sqliteAway's kind. Here, where
// drivers hand their errors over, it is certain that the database has failed: further
// up, a connection that broke may be anybody's.
func marked(err error, away func(error) bool) error {
	if err == nil || errors.Is(err, ErrAway) || !away(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrAway, err)
}

// postgresDialect is gorm's dialect of PostgreSQL, whose errors say when the server
// is away.
type postgresDialect struct{ *postgres.Dialector }

// Translate turns errors into gorm's own, or marks them.
func (d *postgresDialect) Translate(err error) error {
	return marked(d.Dialector.Translate(err), postgresAway)
}

func postgresAway(err error) bool {
	var connect *pgconn.ConnectError
	var said *pgconn.PgError
	switch {
	case errors.As(err, &connect):
		return true
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false // who asks has gone, or waits no longer
	case errors.As(err, &said):
		return awayByCode(said.Code)
	default:
		return broken(err)
	}
}

// awayByCode goes by SQLSTATE (PostgreSQL, appendix A).
func awayByCode(code string) bool {
	return slices.ContainsFunc([]string{
		"08",    // connection exception
		"53",    // insufficient resources: disk full, too many connections
		"57P0",  // shut down, crashed, starting
		"25006", // read-only: a server that failed over
		"25P03", // idle in a transaction for too long
	}, func(class string) bool { return strings.HasPrefix(code, class) })
}

// broken: the connection is.
func broken(err error) bool {
	for _, known := range []error{driver.ErrBadConn, sql.ErrConnDone, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed} {
		if errors.Is(err, known) {
			return true
		}
	}
	var network net.Error
	return errors.As(err, &network) || pgconn.SafeToRetry(err)
}

// sqliteAway goes by the primary result code, the lowest byte.
func sqliteAway(err error) bool {
	var said *sqlite.Error
	if !errors.As(err, &said) {
		return errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone)
	}
	switch said.Code() & 0xff {
	case sqlitelib.SQLITE_BUSY, sqlitelib.SQLITE_LOCKED, sqlitelib.SQLITE_IOERR, sqlitelib.SQLITE_FULL,
		sqlitelib.SQLITE_CANTOPEN, sqlitelib.SQLITE_PROTOCOL:
		return true
	}
	return false
}
