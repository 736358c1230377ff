package browser_test

import (
	"database/sql"
	"encoding/json"
	"strings"
	"testing"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/db"
)

// TestADeadLetterIsRetried inspects and retries dead letters of catalog, and discards
// the one that fails again.
func TestADeadLetterIsRetried(t *testing.T) {
	t.Parallel()
	s := up(t)
	s.offer("VASE", "Blue vase", 3)
	s.addDeadLetter("VASE", "the owner did not answer")
	s.addDeadLetter(strings.Repeat("x", 300), "the owner refused")
	b := open(t, s.base(), "/operations")
	b.signIn("stella")
	b.sees("Show the dead letters of catalog")
	b.press("summary", "Show as tables")
	b.until(`[...document.querySelectorAll("details tr")].some((row) => /^catalog\s+ready\s.*\s2$/.test(row.innerText.trim()))`)
	b.press("a", "Show the dead letters of catalog")
	b.sees("The owner did not answer", "The owner refused")
	b.expect("422 (Unprocessable Entity)")
	b.press("li.dead-letter-group:has(.error-text) button", "Show events")
	b.press(".members button", "VASE")
	b.sees("Received event")
	b.press("dialog button", "Retry")
	b.sees("The event was processed.")
	b.until(`!document.body.innerText.includes("The owner did not answer")`)
	b.press("li.dead-letter-group button", "Show events")
	b.press(".members button", "xxx")
	b.press("dialog button", "Retry")
	b.until(`document.querySelector("dialog .error-box")?.innerText.includes("The retry failed")`)
	b.press("dialog button", "Close")
	b.sees("A service that the consumer called rejected the request.") // its new error puts it in another group
	b.press("button", "Retry all")
	b.sees("No event was processed. 1 event failed again and remains a dead letter.")
	b.press("button", "Discard all")
	b.enter("#reason", "planted")
	b.press("dialog button", "Discard")
	b.sees("1 dead letter was discarded.")
	b.focusIs("section h2")
}

// addDeadLetter inserts a dead letter of catalog, for an inventory.sku_processed event,
// into its database.
func (s *shop) addDeadLetter(sku, why string) {
	s.t.Helper()
	event, err := json.Marshal(map[string]any{
		"specversion": "1.0", "id": "planted " + why, "source": "/inventory", "type": "inventory.sku_processed", "subject": sku,
		"time": "2026-01-02T03:04:05Z", "version": 1, "correlationid": "c", "data": map[string]string{"href": "/skus/" + sku},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	conn, err := sql.Open("sqlite", db.DSN(strings.TrimPrefix(app.Config{Data: s.Data}.Database("catalog"), "sqlite:")))
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	_, err = conn.ExecContext(s.t.Context(), `INSERT INTO dead_letters
		(subscriber, stream, position, event_id, type, subject, body, error, cause, attempts, first_at, last_at, state, reason)
		VALUES ('catalog', 'inventory', 0, ?, 'inventory.sku_processed', ?, ?, ?, ?, 5, '2026-01-02 03:04:05', '2026-01-02 03:04:05', 'open', '')`,
		"planted "+why, sku, event, why, why)
	if err != nil {
		s.t.Fatal(err)
	}
}
