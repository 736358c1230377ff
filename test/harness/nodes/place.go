package nodes

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// folder makes a folder for a server that runs as uid, removed with the test. It
// is not below t.TempDir, into which only the test's own user may look.
func folder(t testing.TB, uid int) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "quadrille-node") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, uid, -1); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove folder: %v", err)
		}
	})
	return dir
}

// freePort returns a port without a listener.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// need finds a program by a pattern of its path, or skips the test.
func need(t testing.TB, part, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err == nil && len(found) > 0 {
		return found[len(found)-1] // the newest version
	}
	if slices.Contains(strings.Split(os.Getenv("QUADRILLE_TEST_REQUIRE"), ","), part) {
		t.Fatalf("%s is required and not installed: no %s", part, pattern)
	}
	t.Skipf("%s is not installed: no %s", part, pattern)
	return ""
}
