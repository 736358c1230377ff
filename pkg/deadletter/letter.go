package deadletter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// The states of a letter. Closed ones are kept as a record.
const (
	Open      = "open"
	Retried   = "retried"   // handled after all
	Discarded = "discarded" // by a person, for a reason
)

// ErrClosed: the letter was retried or discarded before. ErrNotFound: there is
// no such letter.
var (
	ErrClosed   = errors.New("dead letter is closed")
	ErrNotFound = errors.New("no such dead letter")
)

// Letter is an event that could not be handled.
type Letter struct {
	ID         int64 `gorm:"primaryKey"`
	Subscriber string
	Stream     string
	Position   int64  // offset in the stream; -1 where a resynchronisation met it
	EventID    string // as the log has it
	Type       string // empty where the event did not decode
	Subject    string // likewise
	Body       []byte // as it came, whatever it is
	Error      string // of the last try
	Cause      string // Error without what differs from letter to letter; groups go by it
	Attempts   int
	FirstAt    time.Time
	LastAt     time.Time
	State      string
	Reason     string // why it was discarded
	ClosedAt   *time.Time
}

// TableName implements gorm's Tabler.
func (Letter) TableName() string { return "dead_letters" }

// Put sets a letter aside through tx, the transaction that moves the position
// past its event. One that is open already, from before history was read again, gets
// the new tries and the new error.
func Put(tx *gorm.DB, l Letter) error {
	again, err := putAgain(tx, l)
	if again || err != nil {
		return err
	}
	l.ID, l.State, l.Cause = 0, Open, CauseOf(l.Error)
	if l.Body == nil {
		l.Body = []byte{} // an empty body is none that is missing
	}
	if err := tx.Create(&l).Error; err != nil {
		return fmt.Errorf("set event aside: %w", err)
	}
	return nil
}

// putAgain reports whether there was such a letter. An event that has no ID is known
// by its place.
func putAgain(tx *gorm.DB, l Letter) (bool, error) {
	same := tx.Model(&Letter{}).Where("state = ? AND subscriber = ? AND stream = ? AND event_id = ?", Open, l.Subscriber, l.Stream, l.EventID)
	if l.EventID == "" {
		same = same.Where("position = ?", l.Position)
	}
	res := same.Updates(map[string]any{
		"attempts": gorm.Expr("attempts + ?", l.Attempts), "error": l.Error, "cause": CauseOf(l.Error), "last_at": l.LastAt, "position": l.Position,
	})
	if res.Error != nil {
		return false, fmt.Errorf("set event aside again: %w", res.Error)
	}
	return res.RowsAffected > 0, nil
}

// Find returns one letter, or ErrNotFound.
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
