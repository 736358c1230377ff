package inventory

import (
	"testing"

	"quadrille/internal/platform/db/dbtest"
)

func TestBothDatabasesEndAlike(t *testing.T) { dbtest.SameSchema(t, Name, migrations) }
