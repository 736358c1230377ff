package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	built := func(main string, settings ...string) *debug.BuildInfo {
		info := &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: main}}
		for _, s := range settings {
			key, value, _ := strings.Cut(s, "=")
			info.Settings = append(info.Settings, debug.BuildSetting{Key: key, Value: value})
		}
		return info
	}
	for what, test := range map[string]struct {
		info            *debug.BuildInfo
		version, commit string
		want            string
	}{
		"a release":                {built("(devel)", "vcs.revision=other", "vcs.modified=true"), "1.2.0", "0123abc", "1.2.0 (commit 0123abc"},
		"a clean checkout":         {built("v0.0.0-2026-0123abc", "vcs.revision=0123abc", "vcs.modified=false"), "", "", "v0.0.0-2026-0123abc (commit 0123abc"},
		"a changed checkout":       {built("(devel)", "vcs.revision=0123abc", "vcs.modified=true"), "", "", "devel (commit 0123abc with uncommitted changes"},
		"go run":                   {built("(devel)"), "", "", "devel (commit unknown"},
		"nothing recorded":         {built(""), "", "", "devel (commit unknown"},
		"a release of no checkout": {built(""), "1.2.0", "", "1.2.0 (commit unknown"},
	} {
		want := "quadrille " + test.want + ", go1.26.8, " + runtime.GOOS + "/" + runtime.GOARCH + ")"
		if got := describe(test.info, test.version, test.commit); got != want {
			t.Errorf("%s is %q, want %q", what, got, want)
		}
	}
}

// Release builds are those of the Makefile and the Dockerfile. Their flags are taken
// as they stand there, so that a renamed variable is noticed: the linker ignores
// one that does not exist.
func TestReleaseBuildsSayVersionAndCommit(t *testing.T) {
	t.Parallel()
	program, said := filepath.Join(t.TempDir(), "quadrille"), map[string]string{}
	for _, file := range []string{"Makefile", "Dockerfile"} {
		text, err := os.ReadFile(filepath.Join("..", "..", file))
		if err != nil {
			t.Fatal(err)
		}
		flags := regexp.MustCompile(`-ldflags=["']([^"']*)["']`).FindStringSubmatch(string(text))
		if flags == nil || !strings.HasPrefix(flags[1], "-s -w ") {
			t.Errorf("%s does not strip the program: %q", file, flags)
			continue
		}
		given := regexp.MustCompile(`\$[({]?VERSION[)}]?`).ReplaceAllString(flags[1], "1.2.3")
		given = regexp.MustCompile(`\$[({]?COMMIT[)}]?`).ReplaceAllString(given, "0123abc")
		if said[given] == "" {
			said[given] = versionsOf(t, program, given)
		}
		for line := range strings.Lines(said[given]) {
			if !strings.HasPrefix(line, "quadrille 1.2.3 (commit 0123abc, go1.") {
				t.Errorf("the program of %s says %q", file, line)
			}
		}
	}
}

// versionsOf builds the program and returns what version and --version print. It
// leaves out -trimpath, for which every package would be compiled anew.
func versionsOf(t *testing.T, program, flags string) (said string) {
	t.Helper()
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags="+flags, "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, ask := range []string{"version", "--version"} {
		out, err := exec.CommandContext(t.Context(), program, ask).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", ask, err, out)
		}
		said += string(out)
	}
	return said
}
