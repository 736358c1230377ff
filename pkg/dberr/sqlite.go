package dberr

import (
	"strings"

	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// ofSQLite classifies by the primary result code, the lowest byte. The codes that the
// statement's data causes are Other: SQLITE_CONSTRAINT, SQLITE_TOOBIG, SQLITE_MISMATCH
// and SQLITE_RANGE.
func ofSQLite(err *sqlite.Error) Kind {
	switch err.Code() & 0xff {
	case sqlitelib.SQLITE_BUSY, sqlitelib.SQLITE_LOCKED, sqlitelib.SQLITE_IOERR, sqlitelib.SQLITE_FULL,
		sqlitelib.SQLITE_CANTOPEN, sqlitelib.SQLITE_PROTOCOL, sqlitelib.SQLITE_NOMEM, sqlitelib.SQLITE_INTERRUPT,
		sqlitelib.SQLITE_READONLY, sqlitelib.SQLITE_SCHEMA, sqlitelib.SQLITE_ABORT, sqlitelib.SQLITE_INTERNAL,
		sqlitelib.SQLITE_CORRUPT, sqlitelib.SQLITE_NOTADB, sqlitelib.SQLITE_NOLFS:
		return Unavailable
	case sqlitelib.SQLITE_PERM, sqlitelib.SQLITE_AUTH, sqlitelib.SQLITE_FORMAT:
		return Unfit
	case sqlitelib.SQLITE_ERROR:
		return ofSQLiteText(err.Error())
	default:
		return Other
	}
}

// ofSQLiteText classifies an SQLITE_ERROR by its text: a missing table and a sum that
// overflows have the same code.
func ofSQLiteText(text string) Kind {
	for _, part := range []string{
		"no such table", "no such column", "no such function", "no such index", "no such view", "no such module",
		"has no column named", "does not match any PRIMARY KEY or UNIQUE constraint", "syntax error", "incomplete input",
	} {
		if strings.Contains(text, part) {
			return Unfit
		}
	}
	return Other
}
