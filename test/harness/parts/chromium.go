package parts

import (
	"os/exec"
	"testing"
)

// Chromium returns the path of a Chromium that runs without a window. Its name in
// QUADRILLE_TEST_REQUIRE is chromium.
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

// NPM returns the path of npm, which fetches the accessibility checks. Its name in
// QUADRILLE_TEST_REQUIRE is chromium, because only browser tests need it.
func NPM(t testing.TB) string {
	t.Helper()
	program, err := exec.LookPath("npm")
	if err != nil {
		missingf(t, "chromium", "no npm: install it, on Debian as npm (%v)", err)
	}
	return program
}
