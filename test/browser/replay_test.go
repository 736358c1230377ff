package browser_test

import (
	"fmt"
	"net/http"
	"testing"
)

// TestAReplayShowsItsProgress starts a replay and checks its progress until the consumer
// has caught up.
func TestAReplayShowsItsProgress(t *testing.T) {
	t.Parallel()
	s := up(t)
	s.offer("VASE", "Blue vase", 50)
	for n := range 20 {
		s.ask("POST", "/api/v1/orders", map[string]any{"lines": []map[string]any{{"sku": "VASE", "quantity": 1}}, "external_id": fmt.Sprint("o", n)}, http.StatusCreated)
	}
	b := open(t, s.base(), "/operations")
	b.signIn("stella")
	b.sees("All services are ready.")
	b.press("button", "Replay stream…")
	b.sees("Replay sales for stats?")
	b.press("dialog button", "Start replay")
	b.sees("Replay of sales for stats", "Caught up at position ")
	b.until(`document.querySelector(".progress-box progress").value === 1`)
}
