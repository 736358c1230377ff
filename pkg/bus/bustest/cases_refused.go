package bustest

import (
	"errors"
	"strings"
	"testing"

	"quadrille/pkg/bus"
)

// refusedMessage checks that a message that can never be published is told from a log
// that is unavailable, that nothing of its batch stays behind it for good, and that
// what is just within the limits is taken.
func refusedMessage(t *testing.T, d Driver) {
	b := d.Open(t)
	publish(t, b, 0, 1)
	long := strings.Repeat("x", bus.MaxShort+1)
	for name, spoil := range map[string]func(*bus.Message){
		"a long event ID":               func(m *bus.Message) { m.ID = long },
		"a long type":                   func(m *bus.Message) { m.Type = long },
		"a long routing key":            func(m *bus.Message) { m.RoutingKey = long },
		"a routing key of long runes":   func(m *bus.Message) { m.RoutingKey = strings.Repeat("\u20ac", bus.MaxShort/3+1) },
		"a routing key that is no text": func(m *bus.Message) { m.RoutingKey = "sales.\xff" },
		"an event ID with a NUL":        func(m *bus.Message) { m.ID = "a\x00b" },
		"a body that is too large":      func(m *bus.Message) { m.Body = make([]byte, bus.MaxBody+1) },
	} {
		for at := range 3 { // first, in the middle, last
			messages := batch(1, 3)
			spoil(&messages[at])
			err := b.Publish(context30(t), stream, messages)
			if !errors.Is(err, bus.ErrRefused) || errors.Is(err, bus.ErrUnavailable) {
				t.Errorf("%s: publish gives %v, want ErrRefused", name, err)
			}
		}
	}
	if err := b.State(); err != nil {
		t.Errorf("after messages were refused the log says: %v", err)
	}
	messages := batch(1, 2)
	messages[0].ID, messages[0].Type, messages[0].RoutingKey = long[1:], long[1:], long[1:]
	eventually(t, func() error { return b.Publish(t.Context(), stream, messages) })
	take(t, subscribe(t, b, bus.Position{}), 0, 3)
}
