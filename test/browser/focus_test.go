package browser_test

import (
	"net/http"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// TestTheFocusMovesOn checks that the focus moves to the next control when the pressed one
// disappears, and that forms explain invalid input without changing it.
func TestTheFocusMovesOn(t *testing.T) {
	t.Parallel()
	s := up(t)
	s.offer("VASE", "Blue vase", 5)
	s.offer("BOWL", "Green bowl", 0)
	s.offer("LAMP", "Gold lamp", 0)
	s.order("ann", 1)
	s.order("bob", 1)
	s.ask("PUT", "/api/v1/wishlist/BOWL", nil, http.StatusCreated)
	s.ask("PUT", "/api/v1/wishlist/LAMP", nil, http.StatusCreated)
	b := open(t, s.base(), "/")
	b.signIn("stella")
	t.Run("shipping", func(t *testing.T) {
		b := b.in(t)
		b.press("nav a", "Warehouse")
		b.press("button", "Ship order of ann")
		b.tabbed("Ship order of bob")
		b.keys(kb.Enter)
		b.sees("No orders to ship")
		b.focusIs("#ship")
	})
	t.Run("receiving", func(t *testing.T) {
		b := b.in(t)
		b.enter("#receive-sku", "a b")
		b.until(`!document.querySelector("#receive-sku").checkValidity()`)
		b.enter("#receive-sku", "VASE")
		b.until(`document.querySelector("#receive-sku").checkValidity()`)
		b.enter("#receive-quantity", "2")
		b.keys(kb.Enter)
		b.sees("2 of VASE received.")
		b.focusIs("#receive-sku")
		b.enter("#adjust-delta", "0")
		b.enter("#adjust-reason", " ")
		b.until(`!document.querySelector("#adjust-delta").checkValidity() && !document.querySelector("#adjust-reason").checkValidity()`)
	})
	t.Run("wishes", func(t *testing.T) {
		b := b.in(t)
		b.press("nav a", "Wishlist")
		b.press("button", "Remove Gold lamp")
		b.tabbed("Remove Green bowl")
		b.keys(kb.Enter)
		b.sees("Your wishlist is empty")
		b.focusIs("h1")
	})
	t.Run("ordering", func(t *testing.T) {
		b := b.in(t)
		b.expect("422 (Unprocessable Entity)")
		b.expect("503 (Service Unavailable)")
		b.press("nav a", "Shop")
		b.press("button.product-action", "Add to basket: Blue vase")
		b.press("header a", "Basket")
		for _, odd := range []string{"1.5", "0", "99999999999"} {
			b.enter(".quantity", odd)
			b.keys(kb.Enter)
			b.sees("Enter a whole number from 1 to 1,000,000,000. The quantity stays at 1.")
			b.until(`document.querySelector(".quantity").getAttribute("aria-invalid") === "true"`)
		}
		b.enter(".quantity", "2")
		b.keys(kb.Enter)
		b.sees("£5.10")
		b.missesNow("Enter a whole number")
		s.ask("DELETE", "/api/v1/products/VASE", nil, http.StatusNoContent)
		b.sees("This product is no longer offered")
		b.press("button", "Order as stella")
		b.sees("The order was not placed.")
		b.focusIs(".error-box.refused")
		b.press("button", "Increase the quantity of Blue vase")
		b.until(`!document.querySelector(".error-box.refused")`)
	})
}
