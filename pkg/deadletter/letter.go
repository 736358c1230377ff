// Package deadletter stores the events that a subscriber could not handle, in the
// subscriber's own database. A letter has the message, the error, the number of attempts
// and the outcome. The reader writes dead letters; a person retries or discards them.
package deadletter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"
)

// States of a letter. Closed letters, retried or discarded, are kept as a record.
const (
	Open      = "open"
	Retried   = "retried"   // handled by a retry
	Discarded = "discarded" // by a person, for a reason
)

var (
	// ErrClosed means that the letter was retried or discarded before.
	ErrClosed = errors.New("dead letter is closed")
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
	Subject    string // empty if the message is not an event
	Body       []byte // the message unchanged
	Error      string // of the last attempt
	Cause      string // Error without the parts that vary between letters; see CauseOf
	Attempts   int
	FirstAt    time.Time // first attempt
	LastAt     time.Time // last attempt
	State      string
	Reason     string // for discarding the letter
	ClosedAt   *time.Time
}

// TableName implements gorm's Tabler.
func (Letter) TableName() string { return "dead_letters" }

// Put stores a letter within tx, the transaction that moves the position past its event.
// If the event already has an open letter, because history is being read again, Put adds
// the attempts to that letter and replaces its error.
func Put(tx *gorm.DB, l Letter) error {
	updated, err := putAgain(tx, l)
	if updated || err != nil {
		return err
	}
	l.ID, l.State, l.Cause = 0, Open, CauseOf(l.Error)
	if l.Body == nil {
		l.Body = []byte{} // the column is NOT NULL
	}
	if err := tx.Create(&l).Error; err != nil {
		return fmt.Errorf("write dead letter: %w", err)
	}
	return nil
}

// putAgain updates the open letter of the same event and reports whether there was one.
// An event without an ID is identified by its position.
func putAgain(tx *gorm.DB, l Letter) (bool, error) {
	same := tx.Model(&Letter{}).Where("state = ? AND subscriber = ? AND stream = ? AND event_id = ?", Open, l.Subscriber, l.Stream, l.EventID)
	if l.EventID == "" {
		same = same.Where("position = ?", l.Position)
	}
	res := same.Updates(map[string]any{
		"attempts": gorm.Expr("attempts + ?", l.Attempts), "error": l.Error, "cause": CauseOf(l.Error), "last_at": l.LastAt, "position": l.Position,
	})
	if res.Error != nil {
		return false, fmt.Errorf("update dead letter: %w", res.Error)
	}
	return res.RowsAffected > 0, nil
}

// Find returns one letter. It returns an error that wraps ErrNotFound if there is none.
func Find(ctx context.Context, db *gorm.DB, id int64) (Letter, error) {
	var l Letter
	err := db.WithContext(ctx).First(&l, "id = ?", id).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return l, fmt.Errorf("%w: %d", ErrNotFound, id)
	}
	if err != nil {
		return l, fmt.Errorf("read dead letter: %w", err)
	}
	return l, nil
}

// Discard closes an open letter for a reason. It returns an error that wraps ErrNotFound
// or ErrClosed if there is no such letter or if it is closed.
func Discard(ctx context.Context, db *gorm.DB, id int64, reason string) error {
	if _, err := Find(ctx, db, id); err != nil {
		return err
	}
	return closeAs(db.WithContext(ctx), id, Discarded, reason)
}

// Take closes an open letter as retried within tx, the transaction of its effect. Of two
// concurrent retries, one gets an error that wraps ErrClosed before it writes anything.
func Take(tx *gorm.DB, id int64) error { return closeAs(tx, id, Retried, "") }

func closeAs(tx *gorm.DB, id int64, state, reason string) error {
	res := tx.Exec("UPDATE dead_letters SET state = ?, reason = ?, closed_at = ? WHERE id = ? AND state = ?",
		state, reason, now(), id, Open)
	if res.Error != nil {
		return fmt.Errorf("close dead letter: %w", res.Error)
	}
	if res.RowsAffected == 0 {
		return fmt.Errorf("%w: %d", ErrClosed, id)
	}
	return nil
}

// Failed records a failed retry of an open letter with its cause.
func Failed(ctx context.Context, db *gorm.DB, id int64, cause error) error {
	err := db.WithContext(ctx).Exec("UPDATE dead_letters SET attempts = attempts + 1, error = ?, cause = ?, last_at = ? WHERE id = ? AND state = ?",
		Text(cause), CauseOf(Text(cause)), now(), id, Open).Error
	if err != nil {
		return fmt.Errorf("record failed retry: %w", err)
	}
	return nil
}

func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// Text returns an error's text for a letter: without bytes that a text column refuses, and
// cut to 4,000 bytes.
func Text(err error) string {
	text := strings.ToValidUTF8(strings.ReplaceAll(err.Error(), "\x00", ""), "?")
	const maxBytes = 4000
	if len(text) > maxBytes {
		text = strings.ToValidUTF8(text[:maxBytes], "") + "…"
	}
	return text
}
