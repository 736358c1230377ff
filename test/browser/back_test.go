package browser_test

import (
	"fmt"
	"testing"
)

// TestBackRestoresThePage checks that going back restores the loaded list, the scroll
// position and the focus.
func TestBackRestoresThePage(t *testing.T) {
	t.Parallel()
	s := up(t)
	for i := range 30 {
		s.offer(fmt.Sprintf("V%02d", i), fmt.Sprintf("Vase %02d", i), 0)
	}
	b := open(t, s.base(), "/")
	b.press("button", "Show more")
	b.until(`document.querySelectorAll(".grid .card").length === 30`)
	b.tabbed("Vase 24") // the first new one
	b.run(`document.querySelector('main a[href="/products/V28"]').focus()`)
	before, err := js[int](b, "Math.round(scrollY)")
	b.must(err)
	b.press("main a", "Vase 28")
	b.until(`location.pathname === "/products/V28" && document.querySelector("h1")?.innerText === "Vase 28" && scrollY === 0`)
	b.focusIs("h1")
	b.run("history.back()")
	b.until(`document.querySelectorAll(".grid .card").length === 30`)
	b.tabbed("Vase 28")
	after, err := js[int](b, "Math.round(scrollY)")
	b.must(err)
	if before < 100 || after < before/2 {
		t.Errorf("the page is %d px down, and was %d", after, before)
	}
	b.expect("404 (Not Found) " + s.base() + "/products/a%2Fb")
	b.visit("/products/a%2Fb")
	b.sees("Product not found")
	b.visit("/?available=maybe&q=V28")
	b.sees("Vase 28")
}
