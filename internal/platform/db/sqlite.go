package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"gorm.io/gorm"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"quadrille/internal/platform/db/sqlitedialect"
)

// ErrInUse means that another process has the SQLite file open. Only one process may open a
// file.
var ErrInUse = errors.New("in use by another process")

// openSQLite opens a file with one connection. SQLite has one writer at a time, so a second
// connection would often find the file busy.
func openSQLite(ctx context.Context, path string) (*gorm.DB, error) {
	if path == "" {
		return nil, fmt.Errorf("%w: sqlite: needs a file, as in sqlite:/path/to/file.db", ErrBadURL)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadURL, err)
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("SQLite file %s: %w", path, err)
	}
	connector, err := sqlite.NewConnector(DSN(path))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("SQLite file %s: %w", path, err), lock.Close())
	}
	pool := sql.OpenDB(&classifying{Connector: connector})
	pool.SetMaxOpenConns(1)
	err = pool.PingContext(ctx)
	var db *gorm.DB
	if err == nil {
		db, err = gorm.Open(&sqliteDialect{Dialector: sqlitedialect.Dialector{Conn: pool}, lock: lock}, settings())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("SQLite file %s: %w", path, err), pool.Close(), lock.Close())
	}
	return db, nil
}

// DSN returns the data source name for path: write-ahead log, busy timeout, transactions that
// take the write lock at once, foreign keys, and times stored as sortable UTC text.
func DSN(path string) string {
	const options = "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)" +
		"&_pragma=foreign_keys(1)&_txlock=immediate&_texttotime=1&_time_format=sqlite&_timezone=UTC"
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + options
}

// sqliteDialect extends the dialect by the pure Go driver's error codes and the lock on the
// file.
type sqliteDialect struct {
	sqlitedialect.Dialector

	lock *os.File
}

// Translate converts a violated unique or primary key to gorm.ErrDuplicatedKey.
func (d *sqliteDialect) Translate(err error) error {
	var code *sqlite.Error
	if errors.As(err, &code) && (code.Code() == sqlitelib.SQLITE_CONSTRAINT_PRIMARYKEY || code.Code() == sqlitelib.SQLITE_CONSTRAINT_UNIQUE) {
		return gorm.ErrDuplicatedKey
	}
	return err
}

func (d *sqliteDialect) unlock() error { return d.lock.Close() }

// lockFile takes the advisory lock that excludes other processes. The lock ends with the
// process, even if it is killed.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadURL, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(ErrInUse, f.Close())
	}
	return f, nil
}
