package browser_test

import (
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// TestASessionEnds checks that a page reports the end of the session, that closing the
// dialog keeps the page, and that the page continues after signing in again.
func TestASessionEnds(t *testing.T) {
	t.Parallel()
	s := up(t)
	b := open(t, s.base(), "/warehouse")
	b.expect("401 (Unauthorized)")
	b.signIn("walt")
	b.sees("Receive goods")
	b.run(`const s = JSON.parse(sessionStorage["quadrille.session"]); sessionStorage["quadrille.session"] = JSON.stringify({ ...s, token: "stale" })`)
	b.visit("/warehouse")
	b.sees("Your session has ended.")
	b.keys(kb.Escape)
	b.until(`!document.querySelector("dialog")`)
	b.focusIs("h1")
	b.until(`location.pathname === "/warehouse"`)
	b.press("main button", "Sign in")
	b.press("dialog .accounts button", "walt")
	b.sees("Receive goods")
	b.until(`location.pathname === "/warehouse"`)
}

// TestInvalidStoredStateIsIgnored checks that invalid data in the browser's storage does
// no harm, on load and when another tab writes it.
func TestInvalidStoredStateIsIgnored(t *testing.T) {
	t.Parallel()
	b := open(t, up(t).base(), "/")
	b.run(`localStorage["quadrille.basket"] = '{"lines":"x"}'; sessionStorage["quadrille.session"] = '{"token":"x"}'`)
	b.visit("/basket")
	b.sees("Your basket is empty", "Sign in")
	for _, left := range []string{`[]`, `{"lines":[{"sku":"A"}]}`, `7`} {
		b.run(`dispatchEvent(new StorageEvent("storage", { key: "quadrille.basket", newValue: ` + quoted(left) + `, storageArea: localStorage }))`)
		b.sees("Your basket is empty")
	}
}

// run runs statements in the page.
func (b *tab) run(statements string) {
	b.t.Helper()
	_, err := js[bool](b, "(() => { "+statements+"; return true; })()")
	b.must(err)
}
