package heroku_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// What the buildpack is told in go.mod: the Go that the module asks for, and the
// program that every line of the Procfile begins with.
func TestBuildpackIsTold(t *testing.T) {
	text, err := os.ReadFile("../../go.mod")
	must(t, err)
	find := func(pattern string) string {
		found := regexp.MustCompile(`(?m)` + pattern).FindStringSubmatch(string(text))
		if found == nil {
			t.Fatalf("go.mod has no line %s", pattern)
		}
		return found[1]
	}
	if told, needed := find(`^// \+heroku goVersion go(\S+)$`), find(`^go (\S+)$`); !strings.HasPrefix(needed+".", told+".") {
		t.Errorf("the buildpack is told Go %s, and the module needs %s", told, needed)
	}
	installed := find(`^// \+heroku install \./cmd/(\S+)$`)
	for kind, line := range readManifest(t).lines {
		if program, _, _ := strings.Cut(line, " "); program != installed {
			t.Errorf("%s runs %s, and the buildpack installs %s", kind, program, installed)
		}
	}
}
