package quadrille_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the picture of the layout into docs/architecture.md")

// box groups folders in the picture. The first box whose pattern matches a package takes
// it. The label is prefix followed by the pattern's submatches of all its packages.
type box struct {
	id, prefix string
	packages   *regexp.Regexp
}

// boxes lists the boxes from top to bottom: a box imports only boxes below it. Together
// they match every package of the program.
var boxes = []box{
	{"cmd", "cmd/", regexp.MustCompile(`^cmd/([a-z]+)`)},
	{"registry", "services/registry.go", regexp.MustCompile(`^services$`)},
	{"gateway", "services/gateway", regexp.MustCompile(`^services/gateway(?:/|$)`)},
	{"services", "services/", regexp.MustCompile(`^services/([a-z]+)(?:/api)?$`)},
	{"shop", "internal/shop/", regexp.MustCompile(`^internal/shop/([a-z]+)`)},
	{"clients", "services/*/client", regexp.MustCompile(`^services/[a-z]+/client$`)},
	{"app", "internal/platform/app", regexp.MustCompile(`^internal/platform/app$`)},
	{"platform", "internal/platform/", regexp.MustCompile(`^internal/platform/([a-z]+)`)},
	{"text", "internal/", regexp.MustCompile(`^internal/(csvfile|plaintext)$`)},
	{"consumer", "pkg/consumer", regexp.MustCompile(`^pkg/consumer$`)},
	{"outbox", "pkg/outbox", regexp.MustCompile(`^pkg/outbox$`)},
	{"drivers", "pkg/bus/", regexp.MustCompile(`^pkg/bus/([a-z]+)`)},
	{"bus", "pkg/bus", regexp.MustCompile(`^pkg/bus$`)},
	{"rpc", "pkg/rpc, amqprpc, redisrpc", regexp.MustCompile(`^pkg/rpc(?:/|$)`)},
	{"broker", "pkg/broker", regexp.MustCompile(`^pkg/broker$`)},
	{"base", "pkg/", regexp.MustCompile(`^pkg/([a-z]+)`)},
}

// layout contains the labels of the boxes and the imports between them, by id.
type layout struct {
	labels  map[string]string
	imports map[string]map[string]bool
}

// readLayout derives the layout from the packages that ./cmd/quadrille depends on.
func readLayout(t *testing.T) layout {
	t.Helper()
	list, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f",
		`{{if and .Module (eq .Module.Path "quadrille")}}{{.ImportPath}} {{join .Imports " "}}{{end}}`, "./cmd/quadrille").Output()
	if err != nil {
		t.Fatal(err)
	}
	l := layout{map[string]string{}, map[string]map[string]bool{}}
	names := map[string]map[string]bool{}
	for line := range strings.Lines(string(list)) {
		packages := strings.Fields(line)
		from, name := boxOf(t, packages[0])
		if names[from.id] == nil {
			names[from.id], l.imports[from.id] = map[string]bool{}, map[string]bool{}
		}
		if name != "" {
			names[from.id][name] = true
		}
		for _, imported := range packages[1:] {
			if to, _ := boxOf(t, imported); to.id != "" && to.id != from.id {
				l.imports[from.id][to.id] = true
			}
		}
	}
	for _, b := range boxes {
		l.labels[b.id] = b.prefix + braces(slices.Sorted(maps.Keys(names[b.id])))
	}
	return l
}

// boxOf returns the box of a package and the name that the package adds to the label.
// Packages of other modules have no box.
func boxOf(t *testing.T, pkg string) (box, string) {
	t.Helper()
	folder, ours := strings.CutPrefix(pkg, "quadrille/")
	if !ours {
		return box{}, ""
	}
	for _, b := range boxes {
		if m := b.packages.FindStringSubmatch(folder); m != nil {
			return b, strings.Join(m[1:], "")
		}
	}
	t.Fatalf("%s belongs to no box of the picture: add its folder to boxes in layout_test.go", folder)
	return box{}, ""
}

func braces(names []string) string {
	if len(names) > 1 {
		return "{" + strings.Join(names, ", ") + "}"
	}
	return strings.Join(names, "")
}

// reaches reports whether a chain of imports leads from one box to another, apart from
// the direct import.
func (l layout) reaches(from, to string, direct bool) bool {
	for next := range l.imports[from] {
		if next == to && direct || next != to && l.reaches(next, to, true) {
			return true
		}
	}
	return false
}

// mermaid draws the layout. It leaves out an import that a chain of other imports
// implies.
func (l layout) mermaid() string {
	var b strings.Builder
	b.WriteString("```mermaid\nflowchart TD\n")
	for _, from := range boxes {
		fmt.Fprintf(&b, "  %s[\"%s\"]\n", from.id, l.labels[from.id])
	}
	for _, from := range boxes {
		for _, to := range boxes {
			if l.imports[from.id][to.id] && !l.reaches(from.id, to.id, false) {
				fmt.Fprintf(&b, "  %s --> %s\n", from.id, to.id)
			}
		}
	}
	b.WriteString("```\n")
	return b.String()
}

// checkLayers fails the test if a box imports one above it.
func (l layout) checkLayers(t *testing.T) {
	t.Helper()
	for n, from := range boxes {
		for _, to := range boxes[:n] {
			if l.imports[from.id][to.id] {
				t.Fatalf("%s imports %s, which is above it in boxes of layout_test.go: imports point down only", l.labels[from.id], l.labels[to.id])
			}
		}
	}
}

// The picture in docs/architecture.md shows today's imports.
func TestLayoutPictureShowsTheImports(t *testing.T) {
	const file = "docs/architecture.md"
	l := readLayout(t)
	l.checkLayers(t)
	want := l.mermaid()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	picture := regexp.MustCompile("(?s)```mermaid\n.*?```\n")
	got := picture.Find(text)
	if string(got) == want {
		return
	}
	if got == nil {
		t.Fatalf("%s has no mermaid block. It should be\n%s", file, want)
	}
	if !*update {
		t.Fatalf("the picture in %s does not show today's imports. Run go test . -run Layout -update, or write\n%s", file, want)
	}
	if err := os.WriteFile(file, picture.ReplaceAllLiteral(text, []byte(want)), 0o600); err != nil {
		t.Fatal(err)
	}
}
