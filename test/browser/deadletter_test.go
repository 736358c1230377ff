package browser_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

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
	b.until(`[...document.querySelectorAll("details tr")].some((row) => /^catalog\s+ready\s.*\s2\s0\s0$/.test(row.innerText.trim()))`)
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

// addDeadLetter inserts an open dead letter of catalog, for an inventory.sku_processed event,
// into its database.
func (s *shop) addDeadLetter(sku, why string) {
	s.t.Helper()
	s.addLetter(sku, why, "open", time.Time{}, "")
}

// addLetter inserts a dead letter of catalog in a state. next is the time of its next attempt.
// A letter with a reason is closed.
func (s *shop) addLetter(sku, why, state string, next time.Time, reason string) {
	s.t.Helper()
	id := fmt.Sprint("planted ", sku, why, state, s.planted)
	s.planted++
	event, err := json.Marshal(map[string]any{
		"specversion": "1.0", "id": id, "source": "/inventory", "type": "inventory.sku_processed", "subject": sku,
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
	const at = "2026-01-02 03:04:05"
	var nextAt, closedAt any
	attempts := 5
	switch {
	case state == "behind":
		attempts = 0
	case !next.IsZero():
		nextAt, attempts = next.UTC().Format("2006-01-02 15:04:05"), 2
	case reason != "":
		closedAt = at
	}
	_, err = conn.ExecContext(s.t.Context(), `INSERT INTO dead_letters
		(subscriber, stream, position, event_id, type, subject, body, error, cause, attempts, first_at, last_at, state, reason, next_at, closed_at)
		VALUES ('catalog', 'inventory', 0, ?, 'inventory.sku_processed', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		id, sku, event, why, why, attempts, at, at, state, reason, nextAt, closedAt)
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestDeadLettersByKeyboard reaches a dead letter and an event that waits behind it without a
// pointer. The focus returns to the control that opened a dialog.
func TestDeadLettersByKeyboard(t *testing.T) {
	t.Parallel()
	s := up(t)
	s.addLetter("VASE", "the owner did not answer", "open", time.Time{}, "")
	s.addLetter("VASE", "", "behind", time.Time{}, "")
	b := open(t, s.base(), "/")
	b.signIn("stella")
	b.visit("/operations/dead-letters")
	b.sees("The owner did not answer")
	b.tabTo("Show events")
	b.keys(kb.Enter)
	b.sees("1 event waits behind this one")
	b.tabTo("VASE")
	b.keys(kb.Enter)
	b.sees("It follows when this one has been retried or discarded.")
	b.tabTo("Discard event…")
	b.keys(kb.Enter)
	b.tabbed("Reason")
	b.keys(kb.Escape)
	b.tabbed("Discard event…")
	b.keys(kb.Escape)
	b.until(`!document.querySelector("dialog")`)
	b.tabbed("VASE")
	b.tabTo("1 event waits behind this one")
	b.keys(kb.Enter)
	b.tabTo("Stock changed, VASE")
	b.keys(kb.Enter)
	b.sees("It waits for an earlier event of its subject.")
	b.keys(kb.Escape)
	b.until(`!document.querySelector("dialog")`)
	b.tabbed("Stock changed, VASE")
}

// TestAParkedLetterIsRetriedEarly checks that an event that the service retries by itself is
// shown without alarm, and that a person can retry it earlier.
func TestAParkedLetterIsRetriedEarly(t *testing.T) {
	t.Parallel()
	s := up(t)
	s.offer("VASE", "Blue vase", 3)
	s.addLetter("VASE", "the owner did not answer", "parked", time.Now().Add(8*time.Minute), "")
	b := open(t, s.base(), "/operations")
	b.signIn("stella")
	b.sees("All services are ready.", "Failed events: catalog (1 being retried).")
	b.missesNow("Show the dead letters")
	b.until(`[...document.querySelectorAll(".node.catalog.ok .state")].some((e) => e.textContent.includes("retrying 1"))`)
	b.press("a", "Show these events")
	b.sees("Retried automatically", "The next attempt is at ")
	b.press(".retrying button", "Show events")
	b.press(".members button", "VASE")
	b.sees("The service tries the event again at ")
	b.press("dialog button", "Retry event now")
	b.sees("The event was processed.", "No dead letters are left.")
	b.until(`!document.querySelector("dialog") && document.activeElement !== document.body`)
	b.press("a", "Retried")
	b.sees("Stock changed", "Processed ")
	b.press("a", "Overtaken")
	b.sees("No overtaken dead letters")
}
