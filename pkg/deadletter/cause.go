package deadletter

import (
	"regexp"
	"strings"
)

// Text is an error as it is kept: without what a text column cannot hold, and
// not longer than a person reads.
func Text(err error) string {
	text := strings.ToValidUTF8(strings.ReplaceAll(err.Error(), "\x00", ""), "?")
	const most = 4000
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

var differing = regexp.MustCompile(`"[^"]*"|'[^']*'|[0-9A-Fa-f]{8}-[0-9A-Fa-f-]{27}|\d+`)

// CauseOf is what letters with the same trouble have in common: the error
// without its quoted parts, IDs and numbers.
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
