package dberr

import "strings"

// sqliteError is implemented by the errors of modernc.org/sqlite. The interface keeps the
// driver out of the programs of those who use PostgreSQL.
type sqliteError interface {
	error
	Code() int
}

// Primary result codes (sqlite.org/rescode.html).
const (
	sqliteGeneric   = 1
	sqliteInternal  = 2
	sqlitePerm      = 3
	sqliteAbort     = 4
	sqliteBusy      = 5
	sqliteLocked    = 6
	sqliteNoMem     = 7
	sqliteReadOnly  = 8
	sqliteInterrupt = 9
	sqliteIOErr     = 10
	sqliteCorrupt   = 11
	sqliteFull      = 13
	sqliteCantOpen  = 14
	sqliteProtocol  = 15
	sqliteSchema    = 17
	sqliteNoLFS     = 22
	sqliteAuth      = 23
	sqliteFormat    = 24
	sqliteNotADB    = 26
)

// ofSQLite classifies by the primary result code, the lowest byte. The codes that the
// statement's data causes are Other: SQLITE_CONSTRAINT, SQLITE_TOOBIG, SQLITE_MISMATCH and
// SQLITE_RANGE.
func ofSQLite(err sqliteError) Kind {
	switch err.Code() & 0xff {
	case sqliteBusy, sqliteLocked, sqliteIOErr, sqliteFull, sqliteCantOpen, sqliteProtocol, sqliteNoMem, sqliteInterrupt,
		sqliteReadOnly, sqliteSchema, sqliteAbort, sqliteInternal, sqliteCorrupt, sqliteNotADB, sqliteNoLFS:
		return Unavailable
	case sqlitePerm, sqliteAuth, sqliteFormat:
		return Unfit
	case sqliteGeneric:
		return ofSQLiteText(err.Error())
	default:
		return Other
	}
}

// ofSQLiteText tells a missing table from a sum that overflows: both have the code
// SQLITE_ERROR, and only the text differs.
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
