package rest

import (
	"strconv"
	"strings"

	"quadrille/pkg/fault"
)

// ETag returns the strong entity tag of a row at version (RFC 9110, section 8.8.3).
func ETag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// NotModified reports whether an If-None-Match header covers the version, so
// that 304 is the answer. It compares weakly (RFC 9110, section 13.1.2).
func NotModified(header *string, version int64) bool {
	return header != nil && matches(*header, version, true)
}

// IfMatch returns a check of a version by an If-Match header: nil where the header is
// absent or covers the version, and a Stale fault where it does not. It compares strongly: a weak tag never
// matches, and nothing matches what is not there, version 0 (RFC 9110, section
// 13.1.1).
func IfMatch(header *string) func(version int64) error {
	return func(version int64) error {
		if header == nil || version > 0 && matches(*header, version, false) {
			return nil
		}
		return fault.New(fault.Stale, "version_stale", "the thing is now at ETag %s, If-Match names another", ETag(version)).
			With("#/header/If-Match", "does not cover %s", ETag(version))
	}
}

func matches(header string, version int64, weak bool) bool {
	if strings.TrimSpace(header) == "*" {
		return true
	}
	for tag := range strings.SplitSeq(header, ",") { // our tags hold digits only, so no comma is quoted in one
		tag = strings.TrimSpace(tag)
		if weak {
			tag = strings.TrimPrefix(tag, "W/")
		}
		if tag == ETag(version) {
			return true
		}
	}
	return false
}
