// Package parallel raises the number of parallel tests in packages whose tests wait, most of
// the time, for servers, leases and timeouts.
package parallel

import (
	"flag"
	"fmt"
	"strconv"
)

// Raise lets n parallel tests run at once, unless the command line has -parallel. TestMain
// calls it before it runs the tests. It parses the flags, and panics if n is less than 1 or
// the program is not a test binary. It is not safe for concurrent use.
func Raise(n int) {
	if n < 1 {
		panic(fmt.Sprintf("parallel.Raise: %d tests at once; at least 1 must run", n))
	}
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if given {
		return
	}
	if err := flag.Set("test.parallel", strconv.Itoa(n)); err != nil {
		panic(fmt.Sprintf("parallel.Raise: %v; call it in TestMain", err))
	}
}
