package dbtest

import (
	"io/fs"
	"testing/fstest"
)

// NoTables are the migrations of a service that has no tables of its own.
func NoTables() fs.FS {
	const nothing = "-- +goose Up\nSELECT 1;\n"
	return fstest.MapFS{
		"migrations/postgres/00001_none.sql": {Data: []byte(nothing)},
		"migrations/sqlite/00001_none.sql":   {Data: []byte(nothing)},
	}
}
