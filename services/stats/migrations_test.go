package stats

import (
	"testing"

	"quadrille/internal/platform/db/dbtest"
)

func TestMigrationsGiveTheSameSchemaOnBothDatabases(t *testing.T) {
	dbtest.SameSchema(t, Name, migrations)
}
