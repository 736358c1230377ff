package browser_test

import "testing"

// TestAWishlistNotifies checks that a customer is notified on any page when a product is
// back in stock.
func TestAWishlistNotifies(t *testing.T) {
	t.Parallel()
	s := up(t)
	s.offer("VASE", "Blue vase", 0)
	b := open(t, s.base(), "/products/VASE")
	b.sees("Sold out")
	b.press("button.product-action", "Notify me")
	b.sees("Sign in so that the shop can notify you")
	b.press("dialog .accounts button", "bob")
	b.until(`!document.querySelector("dialog") && document.querySelector(".account")?.innerText.includes("bob")`)
	b.sees("You will be notified here when Blue vase is back in stock.", "On your wishlist") // the wish survives the sign-in
	b.missesNow("Select “Notify me”")
	b.press("nav a", "Orders")
	b.sees("No orders yet")
	s.receive("r1", "VASE", 3)
	b.until(`[...document.querySelectorAll(".notice")].some((e) => e.innerText.includes("Blue vase is back in stock."))`)
	b.press("nav a", "Wishlist")
	b.sees("Blue vase", "Back in stock since", "Only 3 left")
}
