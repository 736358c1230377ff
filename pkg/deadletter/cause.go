package deadletter

import (
	"regexp"
	"strings"
)

// Text returns an error's text without bytes that a text column cannot hold, cut to a
// length that a person reads.
func Text(err error) string {
	text := strings.ToValidUTF8(strings.ReplaceAll(err.Error(), "\x00", ""), "?")
	const most = 4000
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

var differing = regexp.MustCompile(`"[^"]*"|'[^']*'|[0-9A-Fa-f]{8}-[0-9A-Fa-f-]{27}|\d+`)

// CauseOf returns an error's text without its quoted parts, IDs and numbers, by which
// letters with the same cause are grouped.
func CauseOf(text string) string {
	return differing.ReplaceAllStringFunc(text, func(part string) string {
		switch {
		case part[0] == '"' || part[0] == '\'':
			return string(part[0]) + "…" + string(part[0])
		case len(part) == 36 && strings.Contains(part, "-"):
			return "<id>"
		default:
			return "<n>"
		}
	})
}
