//go:build !docker

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "this program starts no containers: build it with -tags docker")
	os.Exit(1)
}
