package bustest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"quadrille/pkg/bus"
	"quadrille/pkg/events"
)

// Messages returns n messages of about one kilobyte whose events occurred at the time.
func Messages(t *testing.T, n int, at time.Time) (messages []bus.Message) {
	t.Helper()
	for i := range n {
		e := events.SkuProcessed(fmt.Sprint("A", i), 1)
		e.Time, e.TraceParent = at.UTC(), strings.Repeat("x", 800)
		body, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, bus.Message{ID: e.ID, Type: e.Type, Body: body})
	}
	return messages
}
