package bus

import (
	"context"
	"time"
)

// pruneEvery is how often a stream that is published to is pruned.
const pruneEvery = 30 * time.Second

// pruneNow forgets what is too old or too much, if it is time again. What fails
// is tried again with a later batch: the log keeps more meanwhile, never less.
func (b *Embedded) pruneNow(ctx context.Context, stream string) {
	if b.cfg.MaxAge == 0 && b.cfg.MaxBytes == 0 {
		return
	}
	b.mu.Lock()
	due := time.Since(b.pruned[stream]) > pruneEvery
	if due {
		b.pruned[stream] = time.Now()
	}
	b.mu.Unlock()
	if due {
		if err := b.prune(ctx, stream, time.Now()); err != nil && b.cfg.Log != nil {
			b.cfg.Log.Warn("embedded log was not pruned", "stream", stream, "error", err)
		}
	}
}

// prune deletes a stream's oldest events, a step at a time.
func (b *Embedded) prune(ctx context.Context, stream string, now time.Time) error {
	var first int64 // that stays
	if err := b.reader.QueryRowContext(ctx, `SELECT COALESCE(MAX(offset), 0) FROM events WHERE stream = ?`, stream).Scan(&first); err != nil {
		return err
	}
	if b.cfg.MaxAge > 0 {
		since, err := b.Since(ctx, stream, now.Add(-b.cfg.MaxAge))
		if err != nil {
			return err
		}
		first = min(first, since)
	} else {
		first = min(first, 0)
	}
	if b.cfg.MaxBytes > 0 {
		within, err := b.within(ctx, stream)
		if err != nil {
			return err
		}
		first = max(first, within)
	}
	for {
		const step = 1000
		res, err := b.writer.ExecContext(ctx, `DELETE FROM events WHERE offset IN
			(SELECT offset FROM events WHERE stream = ? AND offset < ? ORDER BY offset LIMIT ?)`, stream, first, step)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n < step {
			return err
		}
	}
}

// within returns the offset of the oldest event that still fits into MaxBytes, counted
// from the newest.
func (b *Embedded) within(ctx context.Context, stream string) (offset int64, err error) {
	err = b.reader.QueryRowContext(ctx, `SELECT COALESCE(MIN(offset), 0) FROM
		(SELECT offset, SUM(LENGTH(body)) OVER (ORDER BY offset DESC) AS kept, ROW_NUMBER() OVER (ORDER BY offset DESC) AS n
			FROM events WHERE stream = ?) WHERE kept <= ? OR n = 1`, stream, b.cfg.MaxBytes).Scan(&offset)
	return offset, err
}
