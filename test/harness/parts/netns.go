package parts

import (
	"os/exec"
	"syscall"
	"testing"
)

// Netns skips a test where no network namespaces can be made and linked: that takes
// Linux, root and the program ip. It is netns to QUADRILLE_TEST_REQUIRE.
func Netns(t testing.TB) {
	t.Helper()
	const name = "netns"
	program, err := exec.LookPath("ip")
	if err != nil {
		missingf(t, name, "no program ip: install it, on Debian as iproute2 (%v)", err)
	}
	probe := exec.CommandContext(t.Context(), program, "link", "add", "name", "one", "type", "veth", "peer", "name", "two")
	probe.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET} // gone when it ends
	if out, err := probe.CombinedOutput(); err != nil {
		missingf(t, name, "no network namespace with a link can be made, which takes root: %v %s", err, out)
	}
}
