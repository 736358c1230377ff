package heroku_test

import (
	"os"
	"regexp"
	"testing"
)

func guide(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/heroku.md")
	must(t, err)
	return string(text)
}

// packedLine is the command by which docs/heroku.md has all services in one dyno.
func packedLine(t *testing.T) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^    worker: (quadrille serve .+)$`).FindStringSubmatch(guide(t))
	if found == nil {
		t.Fatal("docs/heroku.md has no line for a worker")
	}
	return found[1]
}
