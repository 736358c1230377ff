package nodes

import (
	"os"
	"testing"

	"quadrille/test/harness/parallel"
)

func TestMain(m *testing.M) {
	parallel.Raise(4) // they wait until nodes have started
	os.Exit(m.Run())
}
