package sqlitelog

import (
	"context"
	"time"
)

// pruneEvery is the minimum time between two prunings of a stream. Publishing triggers
// them.
const pruneEvery = 30 * time.Second

// pruneNow deletes events beyond the limits if the stream is due. A failure is logged
// and retried by a later publish: the log keeps more meanwhile, never less.
func (l *Log) pruneNow(ctx context.Context, stream string) {
	if l.cfg.MaxAge == 0 && l.cfg.MaxBytes == 0 {
		return
	}
	l.mu.Lock()
	due := time.Since(l.pruned[stream]) > pruneEvery
	if due {
		l.pruned[stream] = time.Now()
	}
	l.mu.Unlock()
	if due {
		if err := l.prune(ctx, stream, time.Now()); err != nil && l.cfg.Log != nil {
			l.cfg.Log.Warn("embedded log was not pruned", "stream", stream, "error", err)
		}
	}
}

// prune deletes a stream's oldest events in steps, so that publishers wait for none of
// them long.
func (l *Log) prune(ctx context.Context, stream string, now time.Time) error {
	var first int64 // offset of the oldest event to keep
	if err := l.reader.QueryRowContext(ctx, `SELECT COALESCE(MAX(offset), 0) FROM events WHERE stream = ?`, stream).Scan(&first); err != nil {
		return err
	}
	if l.cfg.MaxAge > 0 {
		since, err := l.Since(ctx, stream, now.Add(-l.cfg.MaxAge))
		if err != nil {
			return err
		}
		first = min(first, since)
	} else {
		first = min(first, 0)
	}
	if l.cfg.MaxBytes > 0 {
		within, err := l.within(ctx, stream)
		if err != nil {
			return err
		}
		first = max(first, within)
	}
	for {
		const step = 1000
		res, err := l.writer.ExecContext(ctx, `DELETE FROM events WHERE offset IN
			(SELECT offset FROM events WHERE stream = ? AND offset < ? ORDER BY offset LIMIT ?)`, stream, first, step)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n < step {
			return err
		}
	}
}

// within returns the offset of the oldest event that still fits into MaxBytes when
// counting from the newest.
func (l *Log) within(ctx context.Context, stream string) (offset int64, err error) {
	err = l.reader.QueryRowContext(ctx, `SELECT COALESCE(MIN(offset), 0) FROM
		(SELECT offset, SUM(LENGTH(body)) OVER (ORDER BY offset DESC) AS kept, ROW_NUMBER() OVER (ORDER BY offset DESC) AS n
			FROM events WHERE stream = ?) WHERE kept <= ? OR n = 1`, stream, l.cfg.MaxBytes).Scan(&offset)
	return offset, err
}
