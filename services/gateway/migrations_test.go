package gateway

import (
	"testing"

	"quadrille/internal/platform/db/dbtest"
)

func TestBothDatabasesEndAlike(t *testing.T) { dbtest.SameSchema(t, "gateway", migrations) }
