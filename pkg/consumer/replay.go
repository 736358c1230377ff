package consumer

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/bus"
)

type replayKey struct{}

func withReplay(ctx context.Context) context.Context {
	return context.WithValue(ctx, replayKey{}, true)
}

// Replaying reports whether the batch took effect before and is read again. ctx is that
// of Fetch or Apply of a converging consumer. Handlers of other consumers do not see such
// events.
func Replaying(ctx context.Context) bool {
	is, _ := ctx.Value(replayKey{}).(bool)
	return is
}

// Reset moves a position so that the event at offset from is read next; 0 replays the
// whole history. Running consumers notice it within Config.IdleCheck, and at their next
// commit at the latest, which fails because the old position is gone. Events that took
// effect before are then replayed: a converging consumer handles them again (see Replaying),
// a consumer in order skips them. Reset returns an error if the consumer has no position
// yet; it reads from the first event anyway.
func Reset(ctx context.Context, db *gorm.DB, subscriber, stream string, from int64) error {
	to := bus.Before(from)
	res := db.WithContext(ctx).Exec("UPDATE positions SET last_offset = ?, last_id = ?, updated_at = ? WHERE subscriber = ? AND stream = ?",
		to.LastOffset(), to.ID, time.Now().UTC(), subscriber, stream)
	if res.Error != nil {
		return fmt.Errorf("reset position: %w", res.Error)
	}
	if res.RowsAffected == 0 {
		return fmt.Errorf("reset position: %s has not started to read %s", subscriber, stream)
	}
	return nil
}

// Streams returns the streams in which a consumer has a position, sorted.
func Streams(ctx context.Context, db *gorm.DB, subscriber string) (streams []string, err error) {
	err = db.WithContext(ctx).Model(&positionRow{}).Where("subscriber = ?", subscriber).Order("stream").Pluck("stream", &streams).Error
	if err != nil {
		return nil, fmt.Errorf("list positions: %w", err)
	}
	return streams, nil
}
