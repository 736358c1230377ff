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

func TestDescribeNamesVersionAndCommit(t *testing.T) {
	t.Parallel()
	built := func(main string, settings ...string) *debug.BuildInfo {
		info := &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: main}}
		for _, s := range settings {
			key, value, _ := strings.Cut(s, "=")
			info.Settings = append(info.Settings, debug.BuildSetting{Key: key, Value: value})
		}
		return info
	}
	for name, test := range map[string]struct {
		info            *debug.BuildInfo
		version, commit string
		want            string
	}{
		"a release":                          {built("(devel)", "vcs.revision=other", "vcs.modified=true"), "1.2.0", "0123abc", "1.2.0 (commit 0123abc"},
		"a clean checkout":                   {built("v0.0.0-2026-0123abc", "vcs.revision=0123abc", "vcs.modified=false"), "", "", "v0.0.0-2026-0123abc (commit 0123abc"},
		"a changed checkout":                 {built("(devel)", "vcs.revision=0123abc", "vcs.modified=true"), "", "", "devel (commit 0123abc with uncommitted changes"},
		"go run":                             {built("(devel)"), "", "", "devel (commit unknown"},
		"nothing recorded":                   {built(""), "", "", "devel (commit unknown"},
		"a release built outside a checkout": {built(""), "1.2.0", "", "1.2.0 (commit unknown"},
	} {
		want := "quadrille " + test.want + ", go1.26.8, " + runtime.GOOS + "/" + runtime.GOARCH + ")"
		if got := describe(test.info, test.version, test.commit); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// The test reads the linker flags of release builds from the Makefile and the Dockerfile. It
// so notices a renamed variable: the linker ignores flags for variables that do not exist.
func TestReleaseBuildsPrintVersionAndCommit(t *testing.T) {
	t.Parallel()
	program, output := filepath.Join(t.TempDir(), "quadrille"), map[string]string{}
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
		if output[given] == "" {
			output[given] = versionsOf(t, program, given)
		}
		for line := range strings.Lines(output[given]) {
			if !strings.HasPrefix(line, "quadrille 1.2.3 (commit 0123abc, go1.") {
				t.Errorf("the program of %s prints %q", file, line)
			}
		}
	}
}

// versionsOf builds the program and returns the output of version and --version. It omits
// -trimpath, with which Go would compile every package again.
func versionsOf(t *testing.T, program, flags string) (output string) {
	t.Helper()
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags="+flags, "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, argument := range []string{"version", "--version"} {
		out, err := exec.CommandContext(t.Context(), program, argument).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", argument, err, out)
		}
		output += string(out)
	}
	return output
}
