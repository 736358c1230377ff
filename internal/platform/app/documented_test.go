package app

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// Every variable must be in docs/operations.md with its default, because operators find it only
// there.
func TestVariablesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for field := range reflect.TypeFor[Config]().Fields() {
		name, fallback := field.Tag.Get("env"), field.Tag.Get("envDefault")
		if name == "" || name == "-" || name == "QUADRILLE_CRASH_AT" { // for tests only
			continue
		}
		row := ""
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "|") && strings.Contains(line, "`"+name+"`") && row == "" {
				row = line
				rows++
			}
		}
		if row == "" || !strings.Contains(row, fallback) {
			t.Errorf("docs/operations.md does not have %s with its default %q: %s", name, fallback, row)
		}
	}
	if rows < 15 {
		t.Errorf("only %d variables were looked at", rows)
	}
}
