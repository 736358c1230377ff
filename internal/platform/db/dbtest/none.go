package dbtest

import (
	"io/fs"
	"testing/fstest"
)

// NoTables returns the migrations of a service without tables of its own.
func NoTables() fs.FS {
	const nothing = "-- +goose Up\nSELECT 1;\n"
	return fstest.MapFS{
		"migrations/postgres/00001_none.sql": {Data: []byte(nothing)},
		"migrations/sqlite/00001_none.sql":   {Data: []byte(nothing)},
	}
}
