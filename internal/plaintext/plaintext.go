// Package plaintext is the rule for text that every database keeps alike.
package plaintext

import (
	"strings"
	"unicode/utf8"
)

// Storable reports whether s is valid UTF-8 without U+0000. PostgreSQL refuses
// anything else in a text column; SQLite keeps it, and reads it back shortened.
func Storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// Clean returns s with U+FFFD in place of what is not storable.
func Clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}

// Shorten cuts s to at most limit characters.
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
