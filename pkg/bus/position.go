package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

var (
	// errFenced: the position is not where this reader left it. Another instance has
	// taken the batch, and this one's effect must not happen again.
	errFenced = errors.New("another instance has moved the position")
	// errMoved: the position was set to another place while the reader waited.
	errMoved = errors.New("the position was reset")
)

// positionRow is a subscriber's place in a stream, in the subscriber's database.
type positionRow struct {
	Subscriber string `gorm:"primaryKey"`
	Stream     string `gorm:"primaryKey"`
	LastOffset int64
	LastID     string
	SeenOffset int64 // the highest LastOffset there ever was in this history
	UpdatedAt  time.Time
}

// TableName implements gorm's Tabler.
func (positionRow) TableName() string { return "positions" }

// beforeFirst is the offset of a position before the first event: streams begin
// at 0.
const beforeFirst = -1

// place is a position, and how far the subscriber ever was.
type place struct {
	at   Position
	seen int64
}

// loadPlace reads where the subscriber is, which is the start where it was never
// before.
func loadPlace(ctx context.Context, db *gorm.DB, subscriber, stream string) (place, error) {
	row := positionRow{
		Subscriber: subscriber, Stream: stream,
		LastOffset: beforeFirst, SeenOffset: beforeFirst, UpdatedAt: time.Now().UTC(),
	}
	db = db.WithContext(ctx)
	err := db.First(&row, "subscriber = ? AND stream = ?", subscriber, stream).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		if err := db.Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error; err != nil {
			return place{}, fmt.Errorf("begin position: %w", err)
		}
		err = nil
	}
	if err != nil {
		return place{}, fmt.Errorf("read position: %w", err)
	}
	p := place{seen: row.SeenOffset}
	if row.LastID != "" {
		p.at = Position{Offset: row.LastOffset, ID: row.LastID}
	}
	return p, nil
}

// movePosition moves the subscriber on inside tx, from where it knows itself to
// be. The old value is the fencing token: errFenced if it is no longer there.
func movePosition(tx *gorm.DB, subscriber, stream string, from, to Position) error {
	from, to = from.explicit(), to.explicit()
	res := tx.Exec(`UPDATE positions SET last_offset = ?, last_id = ?, updated_at = ?,
		seen_offset = CASE WHEN seen_offset < ? THEN ? ELSE seen_offset END
		WHERE subscriber = ? AND stream = ? AND last_offset = ? AND last_id = ?`,
		to.Offset, to.ID, time.Now().UTC(), to.Offset, to.Offset, subscriber, stream, from.Offset, from.ID)
	return moved(res)
}

// forgetPosition moves the subscriber before the first event of a history that is
// not the one it knew, so that nothing in it counts as seen.
func forgetPosition(tx *gorm.DB, subscriber, stream string, from Position) error {
	from = from.explicit()
	res := tx.Exec(`UPDATE positions SET last_offset = ?, last_id = '', seen_offset = ?, updated_at = ?
		WHERE subscriber = ? AND stream = ? AND last_offset = ? AND last_id = ?`,
		beforeFirst, beforeFirst, time.Now().UTC(), subscriber, stream, from.Offset, from.ID)
	return moved(res)
}

func moved(res *gorm.DB) error {
	if res.Error != nil {
		return fmt.Errorf("move position: %w", res.Error)
	}
	if res.RowsAffected == 0 {
		return errFenced
	}
	return nil
}

// explicit gives the start its offset, as the table has it.
func (p Position) explicit() Position {
	if p.IsStart() {
		p.Offset = beforeFirst
	}
	return p
}
