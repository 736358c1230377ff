//go:build !long

// Package notice tells that a run left tests out. go test hides the output of a package
// that passes, but prints the package's path: the path of this package is the notice. It
// does not exist with -tags long.
package notice

import (
	"testing"

	"quadrille/test/harness/long"
)

func TestSaysWhatWasLeftOut(t *testing.T) {
	for _, f := range long.Forms() {
		t.Logf("%s left out %s", f.Folder, f.LeftOut)
	}
}
