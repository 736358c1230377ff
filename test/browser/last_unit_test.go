package browser_test

import "testing"

// TestTheLastUnitSells orders the last unit of a product and checks that another
// customer's open page shows it as sold out.
func TestTheLastUnitSells(t *testing.T) {
	t.Parallel()
	s := up(t)
	s.offer("VASE", "Blue vase", 1)
	s.offer("BOWL", "Green bowl", 9)
	other := open(t, s.base(), "/")
	other.sees("Blue vase", "Green bowl", "Only 1 left")
	ann := open(t, s.base(), "/")
	ann.signIn("ann")
	ann.enter("#q", "vase")
	ann.until(`location.search === "?q=vase"`)
	ann.until(`document.querySelectorAll(".grid .card").length === 1`)
	ann.sees("Blue vase")
	ann.missesNow("Green bowl")
	ann.press("button.product-action", "Add to basket: Blue vase")
	ann.press("header a", "Basket")
	ann.sees("£2.55")
	ann.press("button", "Order as ann")
	ann.until(`location.pathname.startsWith("/orders/")`)
	ann.sees("All items are reserved for you", "Blue vase")
	other.sees("Sold out")
	other.until(`[...document.querySelectorAll(".card.sold-out .title")].some((e) => e.innerText === "Blue vase")`)
	other.missesNow("Only 1 left")
}
