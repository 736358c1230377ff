package bus

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
)

type replayKey struct{}

func withReplay(ctx context.Context) context.Context {
	return context.WithValue(ctx, replayKey{}, true)
}

// Replaying reports whether the events of a batch took effect before and are being
// read again. Who has effects outside its database (mail, webhooks) leaves them
// out then; ctx is that of Fetch or Apply.
func Replaying(ctx context.Context) bool {
	is, _ := ctx.Value(replayKey{}).(bool)
	return is
}

// AnyEvent is the ID of a position whose event is not known: a reader that stands
// there takes what comes after its offset, whatever the history.
const AnyEvent = "*"

// Reset moves a subscriber to where the event at offset from comes next; from 0
// on is the whole history. Running readers notice within ReaderConfig.Check, and
// at their next commit at the latest, which the old position fences off. What took
// effect before is then replayed: see Replaying.
func Reset(ctx context.Context, db *gorm.DB, subscriber, stream string, from int64) error {
	if _, err := loadPlace(ctx, db, subscriber, stream); err != nil {
		return err
	}
	to := Position{}
	if from > 0 {
		to = Position{Offset: from - 1, ID: AnyEvent}
	}
	to = to.explicit()
	err := db.WithContext(ctx).Exec("UPDATE positions SET last_offset = ?, last_id = ?, updated_at = ? WHERE subscriber = ? AND stream = ?",
		to.Offset, to.ID, time.Now().UTC(), subscriber, stream).Error
	if err != nil {
		return fmt.Errorf("reset position: %w", err)
	}
	return nil
}

// Streams returns the streams that a subscriber has a position in.
func Streams(ctx context.Context, db *gorm.DB, subscriber string) (streams []string, err error) {
	err = db.WithContext(ctx).Model(&positionRow{}).Where("subscriber = ?", subscriber).Order("stream").Pluck("stream", &streams).Error
	if err != nil {
		return nil, fmt.Errorf("list positions: %w", err)
	}
	return streams, nil
}

// Count reads a stream from an offset to its present end and counts the events,
// which offsets alone cannot tell, since they have gaps. progress is told how far
// it is.
func Count(ctx context.Context, b Bus, stream string, from int64, progress func(offset int64)) (n int64, err error) {
	end, err := b.End(ctx, stream)
	if err != nil || end.explicit().Offset < from {
		return 0, err
	}
	after := Position{}
	if from > 0 {
		after = Position{Offset: from - 1, ID: AnyEvent}
	}
	s, err := b.Subscribe(ctx, stream, after)
	if err != nil {
		return 0, err
	}
	defer s.Close() //nolint:errcheck // it was only read
	for {
		const atOnce = 1000
		found, err := s.Next(ctx, atOnce)
		if err != nil {
			return n, err
		}
		for _, d := range found {
			if d.Offset <= end.Offset {
				n++
			}
			if d.Offset >= end.Offset {
				return n, nil
			}
		}
		progress(found[len(found)-1].Offset)
	}
}
