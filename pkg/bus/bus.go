package bus

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors of every driver. Callers compare with errors.Is.
var (
	// ErrHistoryChanged means that the event at a consumer's position is missing, or is
	// another one: retention cut the stream, or it was deleted and begun anew. Reading on
	// would skip events silently.
	ErrHistoryChanged = errors.New("history is not the one the consumer read before")
	// ErrEventsMissing means that the stream does not hold the event published last.
	ErrEventsMissing = errors.New("history does not hold what was published")
	// ErrNoStream means that no publisher has declared the stream yet.
	ErrNoStream = errors.New("stream does not exist yet")
	// ErrUnavailable means that the log cannot be reached at present. It is transient.
	ErrUnavailable = errors.New("event log is unavailable")
	// ErrBlocked means that the log is reachable but accepts no events at present
	// (RabbitMQ's memory or disk alarm). It is transient and wraps ErrUnavailable.
	ErrBlocked = fmt.Errorf("%w: it accepts no events at present", ErrUnavailable)
	// ErrStalled means that the log ended a subscription because its consumer read
	// nothing for too long. Subscribing again helps. It wraps ErrUnavailable.
	ErrStalled = fmt.Errorf("%w: the consumer read nothing for too long, so the subscription was ended", ErrUnavailable)
	// ErrRefused means that the log will never accept one of the messages: it is too
	// large, or a part of it cannot be encoded. The log itself works.
	ErrRefused = errors.New("event log refuses the message")
	// ErrMisconfigured means that the server holds something else under the stream's
	// names, or denies a right. An operator can mend that, so it counts as transient and
	// wraps ErrUnavailable.
	ErrMisconfigured = fmt.Errorf("%w because of its configuration", ErrUnavailable)
	// ErrClosed means that the owner closed the bus or the subscription.
	ErrClosed = errors.New("event log is closed")
)

// Bus is the event log. All methods are safe for concurrent use.
type Bus interface {
	// Publish appends messages to the stream in order and returns nil once the log has
	// confirmed all of them durably. It declares the stream before the first message;
	// without messages it does nothing else.
	//
	// After an error the outcome of some or all messages is unknown: the caller keeps
	// them and publishes them again. ErrRefused means that the log will never accept at
	// least one of them; for a single message, that one. No other error says anything
	// against a message. ctx bounds the wait.
	Publish(ctx context.Context, stream string, messages []Message) error
	// Verify checks that the history holds newest and that later publishes reach it.
	// It searches from after, a position that an earlier Verify returned, or, if after
	// is zero, among the events written since newest.At. It returns the position of
	// newest, or the stream's end if newest is zero.
	//
	// Errors: ErrNoStream if there is no history (Verify does not create it, because the
	// caller may have to record the loss first); ErrHistoryChanged if another event lies
	// at after; ErrEventsMissing if newest is not found. Once Verify was called, Publish
	// with messages no longer declares the stream; Verify and Publish without messages do.
	Verify(ctx context.Context, stream string, newest Published, after Position) (Position, error)
	// Subscribe reads the stream from the event after the position. Unless the position's
	// ID is AnyEvent, it first checks that the event there is the one the caller read, and
	// returns ErrHistoryChanged if it is not. Callers retry ErrNoStream and ErrUnavailable.
	Subscribe(ctx context.Context, stream string, after Position) (Subscription, error)
	// End returns the position of the stream's last event, or the zero Position if the
	// stream is empty or does not exist. The result is at or after every event that was
	// confirmed before the call, except on a lagging replica of a RabbitMQ cluster. ctx
	// bounds this caller's wait only.
	End(ctx context.Context, stream string) (Position, error)
	// Since returns an offset before which no event was published at or after t. Some
	// events from that offset on may be a little older than t. If there are none, the
	// offset lies after the end.
	Since(ctx context.Context, stream string, t time.Time) (offset int64, err error)
	// Drop deletes the stream with all its events. Publish declares it again. Call it
	// only if everything can be published again.
	Drop(ctx context.Context, stream string) error
	// State returns nil if events can be published and read at present, else the reason.
	State() error
	// Close stops publishing, ends every subscription and releases all resources. Further
	// calls return nil.
	Close() error
}

// Subscription reads one stream for one goroutine.
type Subscription interface {
	// Next waits for an event and returns it with the events that have already arrived,
	// at most max, in order. If ctx ends first, Next returns its error, loses nothing and
	// may be called again. Any other error (ErrUnavailable when the connection broke,
	// ErrClosed after Close) ends the subscription.
	Next(ctx context.Context, max int) ([]Delivery, error)
	// Close ends the subscription. Further calls do nothing.
	Close() error
}
