package main

import (
	"strings"
	"unicode"
)

// oneLine returns a text of a message for a line of the terminal. Line breaks become spaces.
// Other characters that steer a terminal, or change the direction of the text, become question
// marks: whoever publishes an event chooses its subject.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return '?'
		default:
			return r
		}
	}, text)
}
