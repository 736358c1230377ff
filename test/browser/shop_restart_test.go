package browser_test

import (
	"slices"
	"testing"

	"quadrille/internal/platform/app"
	"quadrille/services"
	"quadrille/test/harness/binary"
)

// TestTheShopRestarts kills and restarts the whole shop. The basket works during the
// outage, and a page that could not be loaded loads by itself afterwards.
func TestTheShopRestarts(t *testing.T) {
	t.Parallel()
	s := &shop{Machine: binary.New(t, "RATE_LIMIT_ADDRESS=off", "RATE_LIMIT_CALLER=off"), t: t}
	all := slices.Concat(services.Names(), []string{app.Gateway})
	running := s.Start(nil, "up")
	s.ready(all...)
	s.token = s.signedIn("stella", "customer", "warehouse", "staff")
	s.offer("VASE", "Blue vase", 3)
	b := open(t, s.base(), "/")
	b.expect("net::ERR_CONNECTION_REFUSED")
	b.expect("net::ERR_INCOMPLETE_CHUNKED_ENCODING")
	b.expect("net::ERR_EMPTY_RESPONSE")
	b.expect("net::ERR_CONNECTION_RESET")
	b.expect("503 (Service Unavailable)")
	b.signIn("stella")
	b.press("button.product-action", "Add to basket: Blue vase")
	for _, module := range []string{"basket.js", "wishlist.js", "signin.js"} { // preloaded while the browser is idle
		// A module is loaded when what it imports is, too.
		b.until(`(() => {
			const entry = performance.getEntriesByType("resource").find((e) => e.name.endsWith(` + quoted("/"+module) + `));
			if (entry) import(entry.name).then(() => { document.documentElement.dataset.loaded = entry.name; });
			return document.documentElement.dataset.loaded === entry?.name && Boolean(entry);
		})()`)
	}
	running.Kill()
	b.press("header a", "Basket")
	b.sees("Prices and stock levels may be out of date.", "Blue vase", "£2.55")
	b.press("button", "Order as stella")
	b.sees("Your order is not confirmed as received")
	b.tabbed("Resend order now")
	b.press("nav a", "Warehouse")
	b.sees("This page could not be loaded")
	s.Start(nil, "up")
	s.ready(all...)
	b.sees("Receive goods", "is placed.")
	b.missesNow("This page could not be loaded")
	b.until(`!document.querySelector(".offline p")`)
}
