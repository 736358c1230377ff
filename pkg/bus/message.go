package bus

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Message is an event to publish.
type Message struct {
	ID         string // the event's ID; if empty, consumers get a digest of Body instead
	Type       string // the event's type
	RoutingKey string // for bindings of other programs; Quadrille's consumers ignore it
	Body       []byte // the event as structured-mode JSON
}

// Delivery is an event as a consumer reads it.
type Delivery struct {
	Offset int64 // rises within a stream, with gaps: differences are not counts
	ID     string
	Body   []byte
}

// Limits of a message. They are the same for all drivers, so that an event accepted by
// one log can be moved to another.
const (
	// MaxShort is the maximum length in bytes of ID, Type and RoutingKey: AMQP 0-9-1
	// encodes them as short strings.
	MaxShort = 255
	// MaxBody is the maximum length of a body in bytes, the default of RabbitMQ 4. Version
	// 3 allows 128 MiB. A broker may be configured to accept less (max_message_size).
	MaxBody = 16 << 20
)

// Check returns an error that wraps ErrRefused if no log accepts the message.
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
		return fmt.Errorf("%w: its body has %d bytes, the log accepts %d", ErrRefused, len(m.Body), MaxBody)
	}
	return nil
}

// CheckAll returns the first error that Check finds among the messages.
func CheckAll(messages []Message) error {
	for _, m := range messages {
		if err := m.Check(); err != nil {
			return err
		}
	}
	return nil
}

// Identify returns id, or a digest of the body if id is empty: a position needs an ID to
// tell one event from another.
func Identify(id string, body []byte) string {
	if id != "" {
		return id
	}
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:16])
}

// Published names an event that the log has confirmed, and the time of that.
type Published struct {
	ID string
	At time.Time
}

// Missing returns an ErrEventsMissing that names the event.
func (p Published) Missing(stream string) error {
	return fmt.Errorf("%w: event %s, published to %s at %s", ErrEventsMissing, p.ID, stream, p.At.UTC().Format(time.RFC3339))
}
