package browser_test

import "testing"

// TestSignIn signs in through the development menu. The pages show what the user's roles
// allow, also after a reload, until the user signs out.
func TestSignIn(t *testing.T) {
	t.Parallel()
	b := open(t, up(t).base(), "/orders")
	b.sees("Sign in to see this page")
	b.missesNow("Wishlist")
	b.signIn("ann")
	b.sees("No orders yet", "Wishlist")
	b.missesNow("Operations")
	b.visit("/floor") // the address of an earlier version, which bookmarks still name
	b.sees("You do not have access to this page", "You are signed in as ann")
	b.press(".account", "ann")
	b.press("dialog .accounts button", "stella")
	b.sees("Event flow", "Warehouse")
	b.until(`location.pathname === "/operations"`)
	b.press(".account", "stella")
	b.press("dialog button", "Sign out")
	b.until(`location.pathname === "/" && !document.querySelector(".account")`)
	b.missesNow("Operations")
}
