package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"quadrille/pkg/bus"
)

var (
	// errFenced means that another instance has moved the position. Its transaction has
	// handled the batch, so this instance's effect must be rolled back.
	errFenced = errors.New("another instance has moved the position")
	// errMoved means that the position was reset while the consumer waited.
	errMoved = errors.New("the position was reset")
)

// positionRow is a row of the table positions in the consumer's database.
type positionRow struct {
	Subscriber string `gorm:"primaryKey"`
	Stream     string `gorm:"primaryKey"`
	LastOffset int64
	LastID     string
	SeenOffset int64 // the highest LastOffset so far in this history
	UpdatedAt  time.Time
}

// TableName implements gorm's Tabler.
func (positionRow) TableName() string { return "positions" }

// checkpoint is a position, and the highest offset that took effect in this history.
type checkpoint struct {
	at   bus.Position
	seen int64
}

// loadCheckpoint reads the consumer's position. It creates the row, before the first
// event, if there is none.
func loadCheckpoint(ctx context.Context, db *gorm.DB, subscriber, stream string) (checkpoint, error) {
	row := positionRow{
		Subscriber: subscriber, Stream: stream,
		LastOffset: bus.BeforeFirst, SeenOffset: bus.BeforeFirst, UpdatedAt: time.Now().UTC(),
	}
	db = db.WithContext(ctx)
	err := db.First(&row, "subscriber = ? AND stream = ?", subscriber, stream).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		if err := db.Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error; err != nil {
			return checkpoint{}, fmt.Errorf("create position: %w", err)
		}
		err = nil
	}
	if err != nil {
		return checkpoint{}, fmt.Errorf("read position: %w", err)
	}
	c := checkpoint{seen: row.SeenOffset}
	if row.LastID != "" {
		c.at = bus.Position{Offset: row.LastOffset, ID: row.LastID}
	}
	return c, nil
}

// movePosition moves the position within tx. The old position is the fencing token:
// movePosition returns errFenced if the row holds another one.
func movePosition(tx *gorm.DB, subscriber, stream string, from, to bus.Position) error {
	res := tx.Exec(`UPDATE positions SET last_offset = ?, last_id = ?, updated_at = ?,
		seen_offset = CASE WHEN seen_offset < ? THEN ? ELSE seen_offset END
		WHERE subscriber = ? AND stream = ? AND last_offset = ? AND last_id = ?`,
		to.LastOffset(), to.ID, time.Now().UTC(), to.LastOffset(), to.LastOffset(), subscriber, stream, from.LastOffset(), from.ID)
	return fenced(res)
}

// forgetPosition moves the position before the first event of a new history, in which
// nothing has been seen yet.
func forgetPosition(tx *gorm.DB, subscriber, stream string, from bus.Position) error {
	res := tx.Exec(`UPDATE positions SET last_offset = ?, last_id = '', seen_offset = ?, updated_at = ?
		WHERE subscriber = ? AND stream = ? AND last_offset = ? AND last_id = ?`,
		bus.BeforeFirst, bus.BeforeFirst, time.Now().UTC(), subscriber, stream, from.LastOffset(), from.ID)
	return fenced(res)
}

// fenced returns errFenced if the update changed no row.
func fenced(res *gorm.DB) error {
	if res.Error != nil {
		return fmt.Errorf("move position: %w", res.Error)
	}
	if res.RowsAffected == 0 {
		return errFenced
	}
	return nil
}
