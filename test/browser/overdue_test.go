package browser_test

import (
	"encoding/json"
	"net/http"
	"testing"
)

// TestOverdueOrdersAreShown lets orders become overdue and checks that the operations and
// warehouse pages show them until they are shipped.
func TestOverdueOrdersAreShown(t *testing.T) {
	t.Parallel()
	s := upWith(t, []string{"ORDER_SHIP_REMINDER=1s"})
	s.offer("VASE", "Blue vase", 9)
	b := open(t, s.base(), "/")
	b.signIn("stella")
	b.visit("/operations")
	b.sees("No confirmed order has been waiting too long")
	var placed []string
	for range 7 {
		var o struct{ ID string }
		body := s.ask("POST", "/api/v1/orders", map[string]any{"customer": "ann", "lines": []map[string]any{{"sku": "VASE", "quantity": 1}}}, http.StatusCreated)
		if err := json.Unmarshal(body, &o); err != nil {
			t.Fatal(err)
		}
		placed = append(placed, o.ID)
	}
	const shown = `[...document.querySelectorAll("section[aria-labelledby=overdue] li a")].map((a) => a.getAttribute("href"))`
	b.until(`document.querySelector("#overdue .count")?.innerText === "7"`)
	b.until(shown + `.length === 5`)
	b.until(shown + `[0] === "/orders/` + placed[0] + `"`)
	b.seen("operations-overdue")
	b.press("button", "Show 2 more")
	b.until(shown + `.length === 7`)
	s.ask("POST", "/api/v1/orders/"+placed[0]+"/ship", nil, http.StatusOK)
	b.until(shown + `.length === 6`)
	b.until(shown + `[0] === "/orders/` + placed[1] + `"`)
	b.visit("/warehouse")
	b.until(`document.querySelectorAll("section[aria-labelledby=ship] .badge.warn").length === 6`)
	b.visit("/orders/" + placed[1])
	b.sees("takes longer than usual")
	b.behaved()
}
