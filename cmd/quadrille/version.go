package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// version and commit are set in release builds by
// -ldflags '-X main.version=1.2.0 -X main.commit=0123abc'. If they are empty, describe uses
// the information that Go records in the binary.
var version, commit string

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version and the commit that this program was built from",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintln(cmd.OutOrStdout(), cmd.Root().Version)
		},
	}
}

// thisBuild returns the version line of the running program.
func thisBuild() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{GoVersion: runtime.Version()}
	}
	return describe(info, version, commit)
}

// describe returns one line with version, commit, Go version and platform. If version or
// commit is empty, it takes them from info. Go records the commit of builds in a
// repository, but not for go run.
func describe(info *debug.BuildInfo, version, commit string) string {
	recorded := map[string]string{}
	for _, s := range info.Settings {
		recorded[s.Key] = s.Value
	}
	if version == "" {
		version = strings.Trim(info.Main.Version, "()")
	}
	if version == "" {
		version = "devel"
	}
	if commit == "" {
		commit = recorded["vcs.revision"]
		if commit != "" && recorded["vcs.modified"] == "true" {
			commit += " with uncommitted changes"
		}
	}
	if commit == "" {
		commit = "unknown"
	}
	return fmt.Sprintf("quadrille %s (commit %s, %s, %s/%s)", version, commit, info.GoVersion, runtime.GOOS, runtime.GOARCH)
}
