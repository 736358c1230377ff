package quadrille_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// imageFindings returns the faults of a Dockerfile for a module of this Go version.
func imageFindings(dockerfile, goVersion string) (found []string) {
	stages := regexp.MustCompile(`(?m)^FROM (?:--\S+ )*(\S+)`).FindAllStringSubmatch(dockerfile, -1)
	for _, stage := range stages {
		image, tag, _ := strings.Cut(stage[1], ":")
		if tag == "" || strings.HasPrefix(tag, "latest") {
			found = append(found, image+" is not pinned to a tag")
		}
		if version, _, _ := strings.Cut(tag, "-"); image == "golang" && version != goVersion {
			found = append(found, "builds with Go "+version+", and go.mod says "+goVersion)
		}
	}
	final := dockerfile[strings.LastIndex(dockerfile, "\nFROM ")+1:]
	if !regexp.MustCompile(`(?m)^USER [1-9][0-9]*:[1-9][0-9]*$`).MatchString(final) {
		found = append(found, "does not end as a user by number who is not root")
	}
	if !strings.Contains(final, `ENTRYPOINT ["/quadrille"]`) {
		found = append(found, "does not start the program itself, and signals do not reach it")
	}
	if !strings.Contains(dockerfile, "CGO_ENABLED=0") || !strings.Contains(dockerfile, "-trimpath") {
		found = append(found, "builds a program that needs a C library, or that tells where it was built")
	}
	return found
}

// goVersion returns the version in go.mod without the patch, as image tags have it.
func goVersion(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(text))
	if m == nil {
		t.Fatal("go.mod says no version")
	}
	return m[1]
}

func dockerfile(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestDockerfile(t *testing.T) {
	for _, f := range imageFindings(dockerfile(t), goVersion(t)) {
		t.Error(f)
	}
}

func TestDockerfileChecksCanFail(t *testing.T) {
	for want, change := range map[string][2]string{
		"builds with Go 1.25":                                {"golang:" + goVersion(t), "golang:1.25"},
		"golang is not pinned":                               {"golang:" + goVersion(t) + "-bookworm", "golang"},
		"gcr.io/distroless/static-debian13 is not pinned":    {":nonroot", ":latest"},
		"does not end as a user":                             {"USER 65532:65532", "USER nonroot"},
		"does not start the program itself":                  {`ENTRYPOINT ["/quadrille"]`, "ENTRYPOINT /quadrille"},
		"builds a program that needs a C library":            {"CGO_ENABLED=0", ""},
		"builds a program that needs a C library, or that t": {"-trimpath", ""},
	} {
		text := strings.Replace(dockerfile(t), change[0], change[1], 1)
		found := imageFindings(text, goVersion(t))
		if text == dockerfile(t) || !slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, want) }) {
			t.Errorf("%q instead of %q gives %q, want %q", change[1], change[0], found, want)
		}
	}
}

// What the program is built from gets into the build, and nothing else does.
func TestBuildContext(t *testing.T) {
	text, err := os.ReadFile(".dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	var let []string
	lines := strings.Split(string(text), "\n")
	for _, line := range lines {
		if folder, found := strings.CutPrefix(line, "!"); found {
			let = append(let, folder)
		}
	}
	if !slices.Contains(lines, "*") {
		t.Error("it begins with everything")
	}
	needed := map[string]bool{"go.mod": true, "go.sum": true}
	for _, folder := range foldersOf(t, "./cmd/quadrille") {
		first, _, _ := strings.Cut(folder, "/")
		needed[first] = true
	}
	for first := range needed {
		if !slices.Contains(let, first) {
			t.Errorf("%s is needed and kept out", first)
		}
	}
	for _, first := range let {
		if !needed[first] {
			t.Errorf("%s is let in and not needed", first)
		}
	}
}

// foldersOf returns the folders of this module that a package is built from.
func foldersOf(t *testing.T, target string) (folders []string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{if .Main}}{{$.ImportPath}}{{end}}{{end}}", target).Output()
	if err != nil {
		t.Fatal(err)
	}
	for imported := range strings.FieldsSeq(string(out)) {
		folders = append(folders, filepath.ToSlash(strings.TrimPrefix(imported, "quadrille/")))
	}
	if len(folders) < 10 {
		t.Fatalf("only %v", folders)
	}
	return folders
}
