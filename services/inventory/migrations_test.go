package inventory

import (
	"testing"

	"quadrille/internal/platform/db/dbtest"
)

func TestMigrationsOfBothDialectsAgree(t *testing.T) { dbtest.SameSchema(t, Name, migrations) }
