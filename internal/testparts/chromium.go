package testparts

import (
	"os/exec"
	"testing"
)

// Chromium is the path of a Chromium that tests may run without a window. It is
// chromium to QUADRILLE_TEST_REQUIRE.
func Chromium(t testing.TB) string {
	t.Helper()
	const name = "chromium"
	for _, program := range []string{name, "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(program); err == nil {
			return path
		}
	}
	missingf(t, name, "no chromium: install it, on Debian as chromium")
	return ""
}

// NPM is the path of npm, which fetches the checks that tests have pages undergo. It
// belongs to chromium, as nothing else needs it.
func NPM(t testing.TB) string {
	t.Helper()
	program, err := exec.LookPath("npm")
	if err != nil {
		missingf(t, "chromium", "no npm: install it, on Debian as npm (%v)", err)
	}
	return program
}
