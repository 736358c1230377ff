package rest

import (
	"strconv"
	"strings"

	"quadrille/pkg/fault"
)

// ETag returns the strong entity tag of a row at version (RFC 9110, section 8.8.3).
func ETag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// NotModified reports whether an If-None-Match header matches the version, so that the
// response is 304. It compares weakly (RFC 9110, section 13.1.2).
func NotModified(header *string, version int64) bool {
	return header != nil && matches(*header, version, true)
}

// IfMatch returns a check of a version against an If-Match header. The check returns a Stale
// fault unless the header is absent or matches the version. It compares strongly: a weak tag
// never matches, and no tag matches version 0, a missing resource (RFC 9110, section
// 13.1.1).
func IfMatch(header *string) func(version int64) error {
	return func(version int64) error {
		if header == nil || version > 0 && matches(*header, version, false) {
			return nil
		}
		return fault.New(fault.Stale, "version_stale", "the resource has the ETag %s now, which If-Match does not have", ETag(version)).
			With("#/header/If-Match", "does not match %s", ETag(version))
	}
}

func matches(header string, version int64, weak bool) bool {
	if strings.TrimSpace(header) == "*" {
		return true
	}
	for tag := range strings.SplitSeq(header, ",") { // our tags have digits only, so they contain no comma
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
