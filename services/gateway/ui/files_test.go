package ui_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Limits for the first page. Bytes are counted after compression.
const (
	maxBytes    = 150_000
	maxRequests = 15
	preactSum   = "72284e8e9079c87817145df1110f74e8a2aa040b2fc384922e18dfcb46fc1fd7"
)

var (
	linked   = regexp.MustCompile(`(?:href|src)="/ui/[^/]+/([^"]+)"`)
	static   = regexp.MustCompile(`(?m)^(?:import|export)[^;]*? from "(\.[^"]+)"`)
	dynamic  = regexp.MustCompile(`import\("(\.[^"]+)"\)`)
	inlined  = regexp.MustCompile(`(?i)<style|\sstyle=|\.style\.|cssText|insertAdjacentHTML|innerHTML|dangerouslySet|\beval\(|new Function\(|javascript:`)
	handlers = regexp.MustCompile(`(?i)\son[a-z]+="|<script(?:[^>]*)>[^<]`)
)

func text(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// imports returns the paths of the modules that a module imports.
func imports(t *testing.T, module string, how *regexp.Regexp) (found []string) {
	t.Helper()
	for _, m := range how.FindAllStringSubmatch(text(t, module), -1) {
		found = append(found, path.Join(path.Dir(module), m[1]))
	}
	return found
}

// firstLoad returns every file that the shop page needs.
func firstLoad(t *testing.T) map[string]bool {
	t.Helper()
	need := map[string]bool{}
	todo := []string{"js/pages/shop.js"}
	for _, m := range linked.FindAllStringSubmatch(text(t, "index.html"), -1) {
		todo = append(todo, m[1])
	}
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		if need[name] {
			continue
		}
		need[name] = true
		if path.Ext(name) == ".js" {
			todo = append(todo, imports(t, name, static)...)
		}
	}
	return need
}

func TestTheFirstPageIsSmall(t *testing.T) {
	t.Parallel()
	h := handler(t)
	at := root(t, h)
	requests, size := 3, ask(h, http.MethodGet, "/", "Accept-Encoding", "gzip").Body.Len() // the page, and the API's products and events
	for name := range firstLoad(t) {
		w := ask(h, http.MethodGet, at+name, "Accept-Encoding", "gzip")
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d", name, w.Code)
		}
		requests++
		size += w.Body.Len()
	}
	t.Logf("%d requests, %d bytes", requests, size)
	if requests < 10 || requests > maxRequests || size > maxBytes {
		t.Errorf("%d requests and %d bytes, may be %d and %d", requests, size, maxRequests, maxBytes)
	}
}

// modules visits every module below js.
func modules(t *testing.T, visit func(name string)) {
	t.Helper()
	err := filepath.WalkDir("js", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			visit(filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestImportedModulesExist(t *testing.T) {
	t.Parallel()
	modules(t, func(name string) {
		for _, module := range append(imports(t, name, static), imports(t, name, dynamic)...) {
			if _, err := os.Stat(filepath.FromSlash(module)); err != nil {
				t.Errorf("%s refers to %s: %v", name, module, err)
			}
		}
	})
}

func TestNoInlineScriptsOrStyles(t *testing.T) {
	t.Parallel()
	if found := append(inlined.FindAllString(text(t, "index.html"), -1), handlers.FindAllString(text(t, "index.html"), -1)...); len(found) > 0 {
		t.Errorf("index.html has %q, which its policy refuses", found)
	}
	modules(t, func(name string) {
		if found := inlined.FindAllString(text(t, name), -1); len(found) > 0 {
			t.Errorf("%s has %q, which its policy refuses", name, found)
		}
	})
}

func TestVendoredPreactIsUnmodified(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte(text(t, "vendor/preact.js")))
	if got := hex.EncodeToString(sum[:]); got != preactSum || !strings.Contains(text(t, "vendor/README.md"), got) {
		t.Errorf("vendor/preact.js is %s", got)
	}
}
