package rpc_test

import (
	"os"
	"strings"
	"testing"
)

// docs/rpc.md must show the code of Example, which is tested.
func TestDocumentationShowsExample(t *testing.T) {
	doc, err := os.ReadFile("../../docs/rpc.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, code, found := strings.Cut(string(doc), "```go\n")
	code, _, _ = strings.Cut(code, "```")
	indented := "\t" + strings.ReplaceAll(strings.TrimSpace(code), "\n", "\n\t")
	indented = strings.ReplaceAll(indented, "\n\t\n", "\n\n")
	if !found || !strings.Contains(string(example), indented) {
		t.Error("the code in docs/rpc.md differs from that of example_test.go")
	}
}
