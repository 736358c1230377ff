package browser_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestByKeyboardAlone signs in, searches, orders and cancels without a pointer. Every
// control is reachable by Tab and shows its focus, and the focus is never lost.
func TestByKeyboardAlone(t *testing.T) {
	t.Parallel()
	s := up(t)
	s.offer("BOWL", "Green bowl", 9)
	s.offer("VASE", "Blue vase", 9)
	b := open(t, s.base(), "/")
	b.sees("Blue vase")
	b.tabTo("Skip to main content")
	b.keys(kb.Enter)
	b.focusIs("#main")
	b.tabTo("Search products")
	b.keys("vase" + kb.Enter)
	b.until(`document.querySelectorAll(".grid .card").length === 1`)
	b.tabTo("Add to basket: Blue vase")
	b.keys(kb.Enter)
	b.sees("Blue vase was added to the basket.")
	b.backTo("Basket")
	b.keys(kb.Enter)
	b.sees("£2.55")
	b.focusIs("h1")
	b.tabTo("Increase the quantity of Blue vase")
	b.keys(" ")
	b.sees("£5.10")
	b.tabTo("Sign in to order")
	b.keys(kb.Enter)
	b.sees("Sign in to place your order.")
	b.keys(kb.Escape)
	b.until(`!document.querySelector("dialog")`)
	b.tabbed("Sign in to order") // the focus was restored
	b.keys(kb.Enter)
	b.tabTo("ann")
	b.keys(kb.Enter)
	b.until(`!document.querySelector("dialog") && document.querySelector(".account")?.innerText.includes("ann")`)
	b.tabbed("Order as ann") // the button that opened the dialog
	b.keys(kb.Enter)
	b.sees("All items are reserved for you")
	b.focusIs("h1")
	b.tabTo("Cancel order")
	b.keys(kb.Enter)
	b.tabbed("Yes, cancel order")
	b.tabTo("No, keep order")
	b.keys(kb.Enter)
	b.tabbed("Cancel order")
	b.keys(kb.Enter)
	b.tabbed("Yes, cancel order")
	b.keys(kb.Enter)
	b.sees("The order was cancelled.")
	b.focusIs("h1")
}

func (b *tab) keys(keys string) {
	b.t.Helper()
	b.must(chromedp.Do(b.ctx, chromedp.KeyEvent(keys)))
}

// focused evaluates to the accessible name of the focused element and whether its focus
// is visible.
const focused = `(() => {
	const e = document.activeElement;
	if (e === document.body) return ["", "true"]; // the focus is between the end and the start of the page
	const named = e.getAttribute("aria-label") ?? (e.labels?.[0] ?? e).textContent ?? "";
	const style = getComputedStyle(e);
	return [named.replace(/\s+/g, " ").trim(), String(style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2)];
})()`

func (b *tab) tabTo(name string) { b.t.Helper(); b.move(name, kb.Tab) }
func (b *tab) backTo(name string) {
	b.t.Helper()
	b.move(name, kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift))
}

// move presses a key until the element with this name has the focus. It fails the test
// for each element on the way that does not show its focus.
func (b *tab) move(name, key string, with ...chromedp.KeyOption) {
	b.t.Helper()
	var passed []string
	for range 40 {
		b.must(chromedp.Do(b.ctx, chromedp.KeyEvent(key, with...)))
		at, err := js[[]string](b, focused)
		b.must(err)
		if at[1] != "true" {
			b.t.Errorf("%q has the focus, and nothing shows it", at[0])
		}
		if strings.Contains(at[0], name) {
			return
		}
		passed = append(passed, at[0])
	}
	b.t.Fatalf("%q is not reached; what is: %q", name, passed)
}

// tabbed waits until the element with this name has the focus.
func (b *tab) tabbed(name string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`%s[0].includes(%s)`, focused, quoted(name)))
}

// focusIs waits until the first match of selector has the focus.
func (b *tab) focusIs(selector string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`document.activeElement === document.querySelector(%s)`, quoted(selector)))
}
