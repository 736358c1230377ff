package ui_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"quadrille/test/harness/parts"
)

// TestModules runs the JavaScript tests of the modules with Node.
func TestModules(t *testing.T) {
	t.Parallel()
	node := parts.Node(t)
	suites, err := filepath.Glob("test/*.test.js")
	if err != nil || len(suites) == 0 {
		t.Fatalf("no tests of the modules: %v", err)
	}
	args := append([]string{"--test"}, suites...)
	if out, err := exec.CommandContext(t.Context(), node, args...).CombinedOutput(); err != nil {
		t.Fatalf("node --test: %v\n%s", err, out)
	}
}
