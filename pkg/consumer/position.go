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
	SeenOffset int64  // the highest offset in this history that was handled
	Recent     string // see recent.go, like Resume
	Resume     string
	UpdatedAt  time.Time
}

// TableName implements gorm's Tabler.
func (positionRow) TableName() string { return "positions" }

// checkpoint is a position, and what took effect before.
type checkpoint struct {
	at     bus.Position
	seen   int64  // the highest offset in this history that was handled
	recent string // only of a consumer in order, like resume
	resume string
}

// load reads the position. If there is none, load creates it before the first event. For a
// consumer in order, what the stream holds then counts as events that took effect before,
// unless FromStart is set.
func (c *Consumer) load(ctx context.Context) (checkpoint, error) {
	row, err := c.readPosition(ctx)
	if errors.Is(err, gorm.ErrRecordNotFound) {
		row, err = c.createPosition(ctx)
	}
	if err != nil {
		return checkpoint{}, err
	}
	p := checkpoint{seen: row.SeenOffset, recent: row.Recent, resume: row.Resume}
	if row.LastID != "" {
		p.at = bus.Position{Offset: row.LastOffset, ID: row.LastID}
	}
	return p, nil
}

func (c *Consumer) readPosition(ctx context.Context) (row positionRow, err error) {
	err = c.cfg.DB.WithContext(ctx).First(&row, "subscriber = ? AND stream = ?", c.cfg.Subscriber, c.cfg.Stream).Error
	if err != nil {
		return row, fmt.Errorf("read position: %w", err)
	}
	return row, nil
}

func (c *Consumer) createPosition(ctx context.Context) (positionRow, error) {
	row := positionRow{
		Subscriber: c.cfg.Subscriber, Stream: c.cfg.Stream,
		LastOffset: bus.BeforeFirst, SeenOffset: bus.BeforeFirst, Recent: "[]", UpdatedAt: time.Now().UTC(),
	}
	if c.ordered() && !c.cfg.FromStart {
		end, err := c.cfg.Bus.End(ctx, c.cfg.Stream)
		if err != nil {
			return row, fmt.Errorf("find the events from before the first start: %w", err)
		}
		row.SeenOffset = end.LastOffset()
	}
	if err := c.cfg.DB.WithContext(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error; err != nil {
		return row, fmt.Errorf("create position: %w", err)
	}
	return c.readPosition(ctx) // another instance may have been faster
}

// movePosition moves the position within tx. The old position is the fencing token:
// movePosition returns errFenced if the row holds another one.
func (c *Consumer) movePosition(tx *gorm.DB, from, to checkpoint) error {
	res := tx.Exec(`UPDATE positions SET last_offset = ?, last_id = ?, updated_at = ?, recent = ?, resume = ?,
		seen_offset = CASE WHEN seen_offset < ? THEN ? ELSE seen_offset END
		WHERE subscriber = ? AND stream = ? AND last_offset = ? AND last_id = ?`,
		to.at.LastOffset(), to.at.ID, time.Now().UTC(), to.recent, to.resume, to.seen, to.seen,
		c.cfg.Subscriber, c.cfg.Stream, from.at.LastOffset(), from.at.ID)
	return fenced(res)
}

// forgetPosition moves the position before the first event of a new history, in which
// nothing has been seen yet. It marks what took effect in the earlier one.
func (c *Consumer) forgetPosition(tx *gorm.DB, from checkpoint) error {
	resume := ""
	if c.ordered() {
		m := decodeMark(from.resume).again(from.recent)
		if m == nil {
			var row positionRow
			if err := tx.First(&row, "subscriber = ? AND stream = ?", c.cfg.Subscriber, c.cfg.Stream).Error; err != nil {
				return fmt.Errorf("read position: %w", err)
			}
			m = newMark(from.recent, row.UpdatedAt)
		}
		resume = m.encode()
	}
	res := tx.Exec(`UPDATE positions SET last_offset = ?, last_id = '', seen_offset = ?, updated_at = ?, resume = ?
		WHERE subscriber = ? AND stream = ? AND last_offset = ? AND last_id = ?`,
		bus.BeforeFirst, bus.BeforeFirst, time.Now().UTC(), resume,
		c.cfg.Subscriber, c.cfg.Stream, from.at.LastOffset(), from.at.ID)
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
