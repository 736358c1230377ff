package inventory

import (
	"embed"
	"io/fs"
)

//go:embed migrations
var migrations embed.FS

// Migrations is the service's tables, for both dialects: versioned, in order,
// up only.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	return sub
}
