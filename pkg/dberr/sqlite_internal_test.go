package dberr

import (
	"testing"

	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

var _ sqliteError = (*sqlite.Error)(nil)

func TestSQLiteCodesAreThoseOfTheLibrary(t *testing.T) {
	t.Parallel()
	for want, got := range map[int]int{
		sqlitelib.SQLITE_ERROR: sqliteGeneric, sqlitelib.SQLITE_INTERNAL: sqliteInternal, sqlitelib.SQLITE_PERM: sqlitePerm,
		sqlitelib.SQLITE_ABORT: sqliteAbort, sqlitelib.SQLITE_BUSY: sqliteBusy, sqlitelib.SQLITE_LOCKED: sqliteLocked,
		sqlitelib.SQLITE_NOMEM: sqliteNoMem, sqlitelib.SQLITE_READONLY: sqliteReadOnly, sqlitelib.SQLITE_INTERRUPT: sqliteInterrupt,
		sqlitelib.SQLITE_IOERR: sqliteIOErr, sqlitelib.SQLITE_CORRUPT: sqliteCorrupt, sqlitelib.SQLITE_FULL: sqliteFull,
		sqlitelib.SQLITE_CANTOPEN: sqliteCantOpen, sqlitelib.SQLITE_PROTOCOL: sqliteProtocol, sqlitelib.SQLITE_SCHEMA: sqliteSchema,
		sqlitelib.SQLITE_NOLFS: sqliteNoLFS, sqlitelib.SQLITE_AUTH: sqliteAuth, sqlitelib.SQLITE_FORMAT: sqliteFormat,
		sqlitelib.SQLITE_NOTADB: sqliteNotADB,
	} {
		if got != want {
			t.Errorf("got code %d, want %d", got, want)
		}
	}
}
