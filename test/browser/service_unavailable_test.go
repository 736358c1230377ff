package browser_test

import (
	"net/http"
	"slices"
	"testing"

	"quadrille/internal/platform/app"
	"quadrille/services"
	"quadrille/test/harness/binary"
	"quadrille/test/harness/identity"
)

// TestAServiceIsUnavailable kills a service. The pages report it, pages that do not need
// it work, and all recover when the service returns.
func TestAServiceIsUnavailable(t *testing.T) {
	t.Parallel()
	s := &shop{Machine: binary.New(t, append(identity.Env(), "GATEWAY_TIMEOUT=2s")...), t: t}
	s.token = identity.Token("stella", "warehouse", "staff")
	others := slices.Concat([]string{app.Gateway}, slices.DeleteFunc(services.Names(), func(n string) bool { return n == "sales" }))
	s.Start(nil, append([]string{"serve"}, others...)...)
	sales := s.Start(nil, "serve", "sales")
	s.ready(append(others, "sales")...)
	s.offer("VASE", "Blue vase", 3)
	s.ask("POST", "/api/v1/orders", map[string]any{"lines": []map[string]any{{"sku": "VASE", "quantity": 1}}, "external_id": "o1"}, http.StatusCreated)
	b := open(t, s.base(), "/")
	b.expect("503 (Service Unavailable)")
	b.expect("404 (Not Found) " + s.base() + "/dev/token") // the dialog learns that development sign-in is off
	b.press("header button", "Sign in")
	b.enter("#signin-token", s.token)
	b.press("dialog form button", "Sign in")
	b.until(`document.querySelector(".account")?.innerText.includes("stella")`)
	b.press("nav a", "Operations")
	b.sees("All services are ready.")
	sales.Kill()
	b.sees("sales is unavailable")
	b.press("nav a", "Orders")
	b.sees("Your orders cannot be loaded.", "Retrying automatically.")
	b.press("nav a", "Shop")
	b.sees("Blue vase", "Only 2 left")
	s.receive("r2", "VASE", 2)
	b.sees("Only 4 left")
	b.press("nav a", "Orders")
	b.sees("Your orders cannot be loaded.")
	s.Start(nil, "serve", "sales")
	b.sees("Confirmed", "Blue vase")
	b.missesNow("cannot be loaded")
	b.press("nav a", "Operations")
	b.sees("All services are ready.")
}
