package parts

import (
	"os/exec"
	"testing"
)

// Ruby returns the path of a Ruby interpreter that has these libraries. Its name in
// QUADRILLE_TEST_REQUIRE is ruby.
func Ruby(t testing.TB, libraries ...string) string {
	t.Helper()
	const name = "ruby"
	program, err := exec.LookPath(name)
	if err != nil {
		missingf(t, name, "no ruby: install it, on Debian with ruby-redis, ruby-bunny and ruby-webrick")
	}
	args := []string{"-e", ""}
	for _, library := range libraries {
		args = append(args, "-r", library)
	}
	if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil {
		missingf(t, name, "ruby does not find the libraries %q, on Debian ruby-redis, ruby-bunny and ruby-webrick: %v: %.300s", libraries, err, out)
	}
	return program
}
