package browser_test

import (
	"strings"
	"testing"
	"time"
)

// TestErrorsAreRecorded causes each kind of error and checks that watch records it.
func TestErrorsAreRecorded(t *testing.T) {
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

// await waits until watch records an error that contains want.
func (b *tab) await(want string) {
	b.t.Helper()
	deadline := time.After(timeout)
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
