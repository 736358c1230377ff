package browser_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"quadrille/test/harness/parts"
)

var (
	axeOnce sync.Once
	axeCode string
	errAxe  error
)

// axe returns the code of the accessibility checks. It fetches it with npm if needed.
func axe(t testing.TB) string {
	t.Helper()
	const file = "node_modules/axe-core/axe.min.js"
	axeOnce.Do(func() {
		if _, err := os.Stat(file); err != nil {
			if out, err := exec.Command(parts.NPM(t), "ci", "--no-audit", "--no-fund").CombinedOutput(); err != nil {
				errAxe = fmt.Errorf("npm ci: %w: %s", err, out)
				return
			}
		}
		code, err := os.ReadFile(file)
		axeCode, errAxe = string(code), err
	})
	if errAxe != nil {
		t.Fatal(errAxe)
	}
	return axeCode
}

// barriers returns the serious and critical findings of axe-core on the page, one line
// each.
func (b *tab) barriers() []string {
	b.t.Helper()
	// Evaluate injects the code as a debugger does, so the page's content security policy
	// does not apply to it.
	_, err := js[bool](b, "(window.axe || (() => {"+axe(b.t)+"\n})(), true)")
	b.must(err)
	found, err := js[[]string](b, `axe.run(document, { resultTypes: ["violations"], preload: false }).then((r) => r.violations
		.filter((v) => v.impact === "serious" || v.impact === "critical")
		.flatMap((v) => v.nodes.map((n) => v.id + ": " + v.help + ": " + n.target.join(" ") + ": " + (n.any[0]?.message ?? ""))))`)
	b.must(err)
	return found
}

// TestBarriersAreFound checks that barriers finds a field without a label.
func TestBarriersAreFound(t *testing.T) {
	t.Parallel()
	b := open(t, up(t).base(), "/")
	b.sees("No products yet")
	_, err := js[bool](b, `(document.querySelector("main").append(Object.assign(document.createElement("input"), { type: "text" })), true)`)
	b.must(err)
	if found := strings.Join(b.barriers(), "\n"); !strings.Contains(found, "label") {
		t.Errorf("a field without a name is no finding: %s", found)
	}
}
