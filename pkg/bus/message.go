package bus

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of a message, the same for every driver, so that an event that one log has
// taken can be moved to another.
const (
	// MaxShort is how many bytes ID, Type and RoutingKey may have each: AMQP 0-9-1 has
	// them in short strings.
	MaxShort = 255
	// MaxBody is how many bytes a body may have. RabbitMQ 4 takes so much by default;
	// 3.x takes 128 MiB. A broker may be set to less (max_message_size).
	MaxBody = 16 << 20
)

// Check reports why no log takes the message, wrapping ErrRefused; nil where nothing
// is known against it.
func (m Message) Check() error {
	for _, part := range []struct{ name, text string }{
		{"event ID", m.ID}, {"type", m.Type}, {"routing key", m.RoutingKey},
	} {
		switch {
		case len(part.text) > MaxShort:
			return fmt.Errorf("%w: its %s has %d bytes, AMQP allows %d", ErrRefused, part.name, len(part.text), MaxShort)
		case !utf8.ValidString(part.text):
			return fmt.Errorf("%w: its %s is not valid UTF-8", ErrRefused, part.name)
		case strings.ContainsRune(part.text, 0):
			return fmt.Errorf("%w: its %s contains a NUL character", ErrRefused, part.name)
		}
	}
	if len(m.Body) > MaxBody {
		return fmt.Errorf("%w: its body has %d bytes, the log takes %d", ErrRefused, len(m.Body), MaxBody)
	}
	return nil
}

// checkAll returns the first error that Check has for any of the messages.
func checkAll(messages []Message) error {
	for _, m := range messages {
		if err := m.Check(); err != nil {
			return err
		}
	}
	return nil
}
