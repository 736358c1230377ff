//go:build !long

package long

// Full reports whether the tests were built with -tags long.
const Full = false
