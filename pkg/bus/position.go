package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// errFenced: the position is not where this reader left it. Another instance has
// taken the batch, and this one's effect must not happen again.
var errFenced = errors.New("another instance has moved the position")

// positionRow is a subscriber's place in a stream, in the subscriber's database.
type positionRow struct {
	Subscriber string `gorm:"primaryKey"`
	Stream     string `gorm:"primaryKey"`
	LastOffset int64
	LastID     string
	UpdatedAt  time.Time
}

// TableName is gorm's.
func (positionRow) TableName() string { return "positions" }

// beforeFirst is the offset of a position before the first event: streams begin
// at 0.
const beforeFirst = -1

// loadPosition reads where the subscriber is, which is the start where it was
// never before.
func loadPosition(ctx context.Context, db *gorm.DB, subscriber, stream string) (Position, error) {
	row := positionRow{Subscriber: subscriber, Stream: stream, LastOffset: beforeFirst, UpdatedAt: time.Now().UTC()}
	db = db.WithContext(ctx)
	if err := db.Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error; err != nil {
		return Position{}, fmt.Errorf("begin position: %w", err)
	}
	err := db.First(&row, "subscriber = ? AND stream = ?", subscriber, stream).Error
	if err != nil {
		return Position{}, fmt.Errorf("read position: %w", err)
	}
	if row.LastID == "" {
		return Position{}, nil
	}
	return Position{Offset: row.LastOffset, ID: row.LastID}, nil
}

// movePosition moves the subscriber on inside tx, from where it knows itself to
// be. The old value is the fencing token: errFenced if it is no longer there.
func movePosition(tx *gorm.DB, subscriber, stream string, from, to Position) error {
	if from.IsStart() {
		from.Offset = beforeFirst
	}
	res := tx.Exec(`UPDATE positions SET last_offset = ?, last_id = ?, updated_at = ?
		WHERE subscriber = ? AND stream = ? AND last_offset = ? AND last_id = ?`,
		to.Offset, to.ID, time.Now().UTC(), subscriber, stream, from.Offset, from.ID)
	if res.Error != nil {
		return fmt.Errorf("move position: %w", res.Error)
	}
	if res.RowsAffected == 0 {
		return errFenced
	}
	return nil
}
