// Package deadletter stores the events that a consumer could not handle, in the consumer's
// own database. A letter has the message, the error, the number of attempts and the state.
// The consumer writes letters in the transaction that moves its position past the event. It
// retries parked letters by itself; a person retries or discards open ones.
//
// The unclosed letters of one subject form a sequence, in the order of their IDs. The first
// is the head of the sequence. Only a consumer that handles events in order lets letters
// wait behind a head.
package deadletter

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"time"

	"quadrille/pkg/dberr"
)

// States of a letter. Letters in the last three states are closed: they are kept as a record
// until they are pruned.
const (
	Parked    = "parked"    // the consumer retries it at NextAt
	Acting    = "acting"    // an attempt at its effect is in progress, until NextAt at the latest
	Behind    = "behind"    // waits, untried, for the letters before it in its sequence
	Open      = "open"      // every attempt failed: a person retries or discards it
	Retried   = "retried"   // handled by a retry
	Discarded = "discarded" // by a person for a reason, or because its sequence was full
	Overtaken = "overtaken" // a newer version of its subject was handled
)

// States returns all states, unclosed ones first.
func States() []string {
	return []string{Parked, Acting, Behind, Open, Retried, Discarded, Overtaken}
}

var (
	// ErrClosed means that the letter was retried, discarded or overtaken before.
	ErrClosed = errors.New("dead letter is closed")
	// ErrBehind means that the letter waits behind an earlier one of its subject, which has
	// to be retried or discarded first.
	ErrBehind = errors.New("dead letter waits behind an earlier one of its subject")
	// ErrActing means that an attempt at the letter's effect is in progress.
	ErrActing = errors.New("dead letter is being retried at the moment")
	// ErrNotFound means that no letter has the ID.
	ErrNotFound = errors.New("no such dead letter")
)

// Letter is an event that could not be handled.
type Letter struct {
	ID         int64 `gorm:"primaryKey"`
	Subscriber string
	Stream     string
	Position   int64  // offset in the stream; -1 if the event was read in a resynchronisation
	EventID    string // from the log; may be empty
	Type       string // empty if the message is not an event
	Subject    string // empty if the message is not an event; see Key
	Version    int64  // of the subject; 0 if it is unknown
	Body       []byte // the message unchanged
	Error      string // of the last attempt; empty if there was none
	Cause      string // Error without the parts that vary between letters; see CauseOf
	Attempts   int
	FirstAt    time.Time // first attempt; for a letter behind another, when it was written
	LastAt     time.Time // last attempt
	NextAt     *time.Time
	State      string
	Reason     string // for closing the letter
	ClosedAt   *time.Time
}

// TableName implements gorm's Tabler.
func (Letter) TableName() string { return "dead_letters" }

// Closed reports whether the letter was retried, discarded or overtaken.
func (l Letter) Closed() bool { return l.ClosedAt != nil }

// clean makes the letter's texts fit for the database, whatever the message contains.
func (l Letter) clean() Letter {
	l.EventID, l.Type, l.Subject = Key(l.EventID), Key(l.Type), Key(l.Subject)
	l.FirstAt, l.LastAt = micros(l.FirstAt), micros(l.LastAt)
	if l.NextAt != nil {
		next := micros(*l.NextAt)
		l.NextAt = &next
	}
	if l.Body == nil {
		l.Body = []byte{} // the column is NOT NULL
	}
	l.Cause = CauseOf(l.Error)
	return l
}

// maxKey bounds the bytes of a key, so that it fits into an index of either database.
const maxKey = 500

// Key returns text as letters keep it in their subject, type and event ID: without bytes
// that a text column refuses, and at most 500 bytes long. The end of a longer text is
// replaced by a hash of the text.
func Key(text string) string {
	kept := printable(text)
	if len(kept) <= maxKey {
		return kept
	}
	sum := sha256.Sum256([]byte(text))
	hash := "#" + hex.EncodeToString(sum[:8])
	return strings.ToValidUTF8(kept[:maxKey-len(hash)], "") + hash
}

// Text returns an error's text for a letter: without bytes that a text column refuses, and
// cut to 4,000 bytes.
func Text(err error) string {
	const maxBytes = 4000
	return dberr.Text(err.Error(), maxBytes)
}

// printable removes the bytes that PostgreSQL refuses in a text.
func printable(text string) string {
	return dberr.Text(text, math.MaxInt)
}

func now() time.Time { return micros(time.Now()) }

// micros returns t as both databases store it.
func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
