package app

import (
	"os"
	"testing"

	"quadrille/test/harness/parallel"
)

func TestMain(m *testing.M) {
	parallel.Raise(8) // they wait, most of the time
	os.Exit(m.Run())
}
