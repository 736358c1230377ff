package bus

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// What a driver can say about a stream and about itself.
var (
	// ErrHistoryChanged: the event at the position a subscriber remembers is
	// not there, or another one is: history was cut by retention, or deleted
	// and begun anew. Reading on would silently skip events.
	ErrHistoryChanged = errors.New("history is not the one the reader knew")
	// ErrEventsMissing: the history does not hold the event that was published last.
	ErrEventsMissing = errors.New("history does not hold what was published")
	// ErrNoStream: no publisher has declared the stream yet.
	ErrNoStream = errors.New("stream does not exist yet")
	// ErrUnavailable: the log cannot be reached just now. Transient.
	ErrUnavailable = errors.New("event log is unavailable")
	// ErrBlocked: the log is reachable but takes no events just now (RabbitMQ's
	// memory or disk alarm). Transient; it wraps ErrUnavailable.
	ErrBlocked = fmt.Errorf("%w: it takes no events just now", ErrUnavailable)
	// ErrRefused: the log will never take one of the messages, whatever is tried: it is
	// too large, or a part of it cannot be written. Nothing is wrong with the log.
	ErrRefused = errors.New("event log refuses the message")
	// ErrMisconfigured: the server holds something else under the stream's names, or
	// denies a right. It is transient, as an operator can put it right; it wraps
	// ErrUnavailable.
	ErrMisconfigured = fmt.Errorf("%w as it is set up", ErrUnavailable)
	// ErrClosed: the bus or the subscription was closed by its owner.
	ErrClosed = errors.New("event log is closed")
)

// Message is one event on its way into a stream.
type Message struct {
	ID         string // the event's ID; readers are given a digest of Body where it is empty
	Type       string // the event's type
	RoutingKey string // for bindings of others; Quadrille's own readers ignore it
	Body       []byte // the event as structured-mode JSON
}

// Published is an event that was confirmed, and when.
type Published struct {
	ID string
	At time.Time
}

// Delivery is one event on its way out of a stream.
type Delivery struct {
	Offset int64 // rises within a stream, with gaps: never count by it
	ID     string
	Body   []byte
}

// Position is the event that a subscriber took last. The zero Position is
// before the first event. It holds the event's ID too, because an offset alone
// cannot tell a history from its replacement.
type Position struct {
	Offset int64
	ID     string
}

// IsStart reports whether p is before the first event.
func (p Position) IsStart() bool { return p.ID == "" }

// Bus is the event log. All methods are safe for concurrent use.
type Bus interface {
	// Publish appends messages to stream in order, declaring the stream before
	// the first one; without messages that is all it does. nil means that the log has confirmed every one of them
	// durably. Any error means that the outcome of some or all is unknown: the
	// caller keeps them and publishes them again. ErrRefused means that at least one
	// of them can never be published; of a single message, that it is the one. Any
	// other error says nothing against a message. ctx bounds the wait.
	Publish(ctx context.Context, stream string, messages []Message) error
	// Verify checks that the stream's history holds newest, and that what is published
	// from now on reaches it. It looks behind after, a position that it returned earlier,
	// or, where that is the zero Position, among what was written since newest.At. It
	// returns the position of newest; of the zero Published, the stream's end. Errors:
	// ErrNoStream where there is no history, which is left so, since the caller may have
	// to note that first; ErrHistoryChanged where the event at after is another one;
	// ErrEventsMissing where newest is not there. Once Verify was called, Publish with
	// messages leaves the declaration to Verify and to Publish without any.
	Verify(ctx context.Context, stream string, newest Published, after Position) (Position, error)
	// Subscribe reads stream from the event after position. Unless the position's ID
	// is AnyEvent it checks that the event there is still the one the caller took
	// and returns ErrHistoryChanged if it is not. ErrNoStream and ErrUnavailable are worth
	// another try later.
	Subscribe(ctx context.Context, stream string, after Position) (Subscription, error)
	// End is the position of the stream's last event, or the zero Position where the
	// stream is empty or does not exist. It is at or beyond each event that was confirmed
	// before the call. Only a replica of a RabbitMQ cluster that lags behind may tell an
	// earlier one. ctx bounds this caller's wait.
	End(ctx context.Context, stream string) (Position, error)
	// Since is the offset from which on lies every event that was published at or
	// after t, and perhaps some that were published shortly before; one beyond the
	// end where there are none.
	Since(ctx context.Context, stream string, t time.Time) (offset int64, err error)
	// Drop deletes the stream with all its events. Publish declares it anew. Only
	// who can publish everything again does that.
	Drop(ctx context.Context, stream string) error
	// State says whether events can be published and read just now, for
	// /readyz. nil means yes.
	State() error
	// Close stops publishing, ends every subscription and frees what the bus
	// holds. A second Close does nothing and returns nil.
	Close() error
}

// Subscription is one reader's place in one stream. One goroutine uses it.
type Subscription interface {
	// Next waits until there is an event and returns it with those that are
	// there already, max at the most, in order. When ctx ends first its error is
	// returned and nothing is lost: Next may be called again. After any other error
	// (ErrUnavailable when the connection broke, ErrClosed after Close) the
	// subscription is of no more use.
	Next(ctx context.Context, max int) ([]Delivery, error)
	// Close ends the subscription. A second Close does nothing.
	Close() error
}

// identify returns the ID under which an event is known in the log. One that came
// without is known by a digest of what it says, since a position must tell one
// event from another.
func identify(id string, body []byte) string {
	if id != "" {
		return id
	}
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:16])
}
