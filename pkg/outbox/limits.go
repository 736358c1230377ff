package outbox

import (
	"strings"
	"unicode/utf8"

	"quadrille/pkg/bus"
	"quadrille/pkg/events"
	"quadrille/pkg/fault"
)

// Limits of an event, given by the log and by consumers' indexes.
const (
	MaxEvent   = 64 << 10 // bytes as JSON; every intermediary must forward so many (CloudEvents 1.0, "Size Limits")
	MaxSubject = 1024     // bytes; consumers index subjects, and PostgreSQL indexes 2,704 bytes
	MaxType    = 200      // bytes; a routing key begins with the type
)

// checkEvent returns an Invalid fault, which REST callers get as 422, if the log would never
// accept the event. body is its JSON.
func checkEvent(e events.Event, body []byte) error {
	for _, part := range []struct {
		name, text string
		most       int
	}{
		{"subject", e.Subject, MaxSubject}, {"type", e.Type, MaxType}, {"id", e.ID, bus.MaxShort},
		{"correlationid", e.CorrelationID, bus.MaxShort}, {"causationid", e.CausationID, bus.MaxShort},
		{"traceparent", e.TraceParent, bus.MaxShort}, {"data.href", e.Data.Href, MaxEvent},
	} {
		switch {
		case len(part.text) > part.most:
			return fault.New(fault.Invalid, "event_too_large", "the event's %s has %d bytes, at most %d can be published", part.name, len(part.text), part.most)
		case !utf8.ValidString(part.text):
			return fault.New(fault.Invalid, "event_malformed", "the event's %s is not valid UTF-8: %.80q", part.name, part.text)
		case strings.ContainsRune(part.text, 0):
			return fault.New(fault.Invalid, "event_malformed", "the event's %s contains a NUL character: %.80q", part.name, part.text)
		}
	}
	if len(body) > MaxEvent {
		return fault.New(fault.Invalid, "event_too_large", "the event has %d bytes, at most %d can be published", len(body), MaxEvent)
	}
	return nil
}
