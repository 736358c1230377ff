package gateway

import (
	"testing"

	"quadrille/internal/db/dbtest"
)

func TestBothDatabasesEndAlike(t *testing.T) { dbtest.SameSchema(t, "gateway", migrations) }
