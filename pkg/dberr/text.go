package dberr

import "strings"

// Text returns text without the bytes that PostgreSQL refuses in a text column, cut to
// maxBytes. It adds "…" if it cuts. Invalid bytes become "?".
func Text(text string, maxBytes int) string {
	text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "?")
	if len(text) > maxBytes {
		text = strings.ToValidUTF8(text[:maxBytes], "") + "…"
	}
	return text
}
