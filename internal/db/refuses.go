package db

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// RefusesData reports whether the database refused values for their own sake: they
// break a constraint, do not fit the column's type, or a trigger raised an
// exception. The same values are refused whenever they come.
func RefusesData(err error) bool {
	for _, known := range []error{gorm.ErrDuplicatedKey, gorm.ErrForeignKeyViolated, gorm.ErrCheckConstraintViolated} {
		if errors.Is(err, known) {
			return true
		}
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		// Data exception, integrity constraint violation, raise_exception.
		return strings.HasPrefix(pg.Code, "22") || strings.HasPrefix(pg.Code, "23") || pg.Code == "P0001"
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() & 0xff {
		case sqlitelib.SQLITE_CONSTRAINT, sqlitelib.SQLITE_MISMATCH, sqlitelib.SQLITE_TOOBIG:
			return true
		}
	}
	return false
}
