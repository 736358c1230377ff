// Package long says which tests have a short and a long form. `go test ./...` runs the
// short forms; `go test -tags long ./...` and .ci/run run the long ones.
package long

// Pick returns short, or long if the tests were built with -tags long.
func Pick[T any](short, long T) T {
	if Full {
		return long
	}
	return short
}
