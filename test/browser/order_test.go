package browser_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
)

// TestAnOrderUpdatesLive checks that an open order page follows the order until it ships,
// and that a rejected order shows what was not in stock.
func TestAnOrderUpdatesLive(t *testing.T) {
	t.Parallel()
	s := up(t)
	s.offer("VASE", "Blue vase", 3)
	filled, short := s.order("ann", 2), s.order("ann", 2)
	ann := open(t, s.base(), "/orders/"+filled)
	ann.signIn("ann")
	ann.sees("All items are reserved for you")
	ann.until(step("Confirmed, done"))
	ann.missesNow("Your order has been shipped.")
	walt := open(t, s.base(), "/warehouse")
	walt.signIn("walt")
	walt.press("button", "Ship order of ann")
	walt.sees("The order of ann was shipped.", "No orders to ship")
	ann.sees("Your order has been shipped.")
	ann.until(step("Shipped, done"))
	ann.press("a", "All orders")
	ann.sees("Shipped", "Not fulfilled")
	ann.visit("/orders/" + short)
	ann.sees("The order could not be fulfilled", "1 of 2 were not in stock.")
	ann.until(step("Not fulfilled, final"))
	ann.press("button", "Add available items to basket")
	ann.press("header a", "Basket")
	ann.sees("£2.55")
}

// step returns a condition: the current step of the order shown has this text.
func step(said string) string {
	return fmt.Sprintf(`document.querySelector(".order-steps [aria-current=step]")?.textContent.replace(/\s+/g, " ").includes(%s)`, quoted(said))
}

// order orders this many vases as a customer and returns the order's ID.
func (s *shop) order(customer string, quantity int) string {
	s.t.Helper()
	staff := s.token
	defer func() { s.token = staff }()
	s.token = s.signedIn(customer, "customer")
	var o struct{ ID string }
	placed := s.ask("POST", "/api/v1/orders", map[string]any{"lines": []map[string]any{{"sku": "VASE", "quantity": quantity}}}, http.StatusCreated)
	if err := json.Unmarshal(placed, &o); err != nil || o.ID == "" {
		s.t.Fatalf("the order is %s (%v)", placed, err)
	}
	return o.ID
}
