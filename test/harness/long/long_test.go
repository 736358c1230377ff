package long_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"quadrille/test/harness/long"
)

const root = "../../.."

// A test that has a short form is in Forms and in the README, so that nobody takes a short
// run for a complete one.
func TestListsEveryShortForm(t *testing.T) {
	var used, listed []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && (name == "node_modules" || strings.HasPrefix(name, ".") && path != root) {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		text, err := os.ReadFile(path)
		folder, _ := filepath.Rel(root, filepath.Dir(path))
		if strings.Contains(string(text), "long.Pick(") || strings.Contains(string(text), "long.Full") {
			used = append(used, folder)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(root + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range long.Forms() {
		listed = append(listed, f.Folder)
		if row := "| " + f.Folder + " | " + f.LeftOut + " |"; !strings.Contains(string(readme), row) {
			t.Errorf("the README lacks the row\n%s", row)
		}
	}
	used = slices.DeleteFunc(used, func(folder string) bool { return folder == "test/harness/long" })
	slices.Sort(used)
	if used = slices.Compact(used); !slices.Equal(used, listed) {
		t.Errorf("Forms lists %q; these folders use the package: %q", listed, used)
	}
}
