// Package plaintext has the rules for text that PostgreSQL and SQLite both store unchanged.
package plaintext

import (
	"strings"
	"unicode/utf8"
)

// Storable reports whether s is valid UTF-8 without U+0000. PostgreSQL refuses any other
// text; SQLite stores it, but returns it truncated.
func Storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// Clean replaces invalid bytes and U+0000 in s by U+FFFD.
func Clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}

// Shorten cuts s to limit characters. It adds "…" if it cuts.
func Shorten(s string, limit int) string {
	n := 0
	for at := range s {
		if n == limit {
			return s[:at] + "…"
		}
		n++
	}
	return s
}
