package gateway

import (
	"testing"

	"quadrille/internal/platform/db/dbtest"
)

func TestBothDialectsHaveTheSameSchema(t *testing.T) { dbtest.SameSchema(t, "gateway", migrations) }
