package browser_test

import (
	"strings"
	"testing"
	"time"
)

// A watch that sees nothing proves nothing: each kind of trouble, brought about, is
// seen.
func TestTroublesAreSeen(t *testing.T) {
	t.Parallel()
	b := open(t, up(t).base(), "/")
	b.sees("No products yet")
	b.behaved()
	for want, cause := range map[string]string{
		"console error":           `console.error("oh")`,
		"uncaught":                `setTimeout(() => { throw new Error("oh"); })`,
		"Content Security Policy": `document.body.append(Object.assign(document.createElement("script"), { textContent: "1" }))`,
		"404":                     `fetch("/ui/none.js")`,
	} {
		_, err := js[bool](b, "("+cause+", true)")
		b.must(err)
		b.await(want)
	}
}

// await waits for a trouble that is brought about.
func (b *tab) await(want string) {
	b.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(strings.Join(b.unexpected(), "\n"), want) {
		select {
		case <-deadline:
			b.t.Fatalf("no trouble says %q", want)
		case <-tick.C:
		}
	}
}
