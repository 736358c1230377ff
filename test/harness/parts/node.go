package parts

import (
	"os/exec"
	"testing"
)

// Node returns the path of a Node.js with a test runner (18 and later). Its name in
// QUADRILLE_TEST_REQUIRE is node.
func Node(t testing.TB) string {
	t.Helper()
	const name = "node"
	program, err := exec.LookPath(name)
	if err != nil {
		missingf(t, name, "no program node: install it, on Debian as nodejs (%v)", err)
	}
	probe := exec.CommandContext(t.Context(), program, "--input-type=module", "-e", `import "node:test"`)
	if out, err := probe.CombinedOutput(); err != nil {
		missingf(t, name, "node is too old, it must be 18 or later: %v: %.300s", err, out)
	}
	return program
}
