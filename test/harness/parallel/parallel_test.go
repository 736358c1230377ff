package parallel_test

import (
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"

	"quadrille/test/harness/parallel"
)

func TestMain(m *testing.M) {
	parallel.Raise(13)
	os.Exit(m.Run())
}

// The child process logs the number of parallel tests it was given.
func TestCommandLineHasPrecedence(t *testing.T) {
	for want, arguments := range map[string][]string{"parallel=13.": nil, "parallel=3.": {"-test.parallel=3"}} {
		arguments = append(arguments, "-test.v", "-test.run=^TestLogsParallelism$")
		out, err := exec.CommandContext(t.Context(), os.Args[0], arguments...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%q: %v, no %s in\n%s", arguments, err, want, out)
		}
	}
}

func TestLogsParallelism(t *testing.T) {
	t.Logf("parallel=%s.", flag.Lookup("test.parallel").Value)
}
