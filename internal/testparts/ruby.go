package testparts

import (
	"os/exec"
	"testing"
)

// Ruby is the path of a Ruby interpreter that finds these libraries. It is ruby to
// QUADRILLE_TEST_REQUIRE.
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
