// Package sqlitelog implements bus.Bus in one SQLite file, without a server: an
// append-only table, read by offset.
package sqlitelog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	_ "modernc.org/sqlite" // registers the "sqlite" driver

	"quadrille/pkg/bus"
)

// Config configures a log. Path is required.
type Config struct {
	Path string        // of the SQLite file; Open creates its folder
	Poll time.Duration // between two looks for events of other processes; default 250 ms
	// MaxAge and MaxBytes (of event bodies) limit what each stream keeps; 0 sets no limit.
	// The newest event is always kept.
	MaxAge   time.Duration
	MaxBytes int64
	Log      *slog.Logger
}

// Log is the embedded event log. A publish wakes the subscriptions of its own process;
// those of other processes poll. The methods of bus.Bus hold its contract.
type Log struct {
	cfg    Config
	file   os.FileInfo // tells the open file from another one of the same name
	writer *sql.DB     // one connection: SQLite has one writer
	reader *sql.DB

	mu     sync.Mutex
	news   chan struct{} // closed by the next publish
	closed chan struct{}
	pruned map[string]time.Time // when each stream was pruned last
}

const schema = `
CREATE TABLE IF NOT EXISTS events (
    offset INTEGER PRIMARY KEY AUTOINCREMENT,
    stream TEXT NOT NULL,
    id     TEXT NOT NULL,
    type   TEXT NOT NULL,
    body   BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_stream ON events (stream, offset);
CREATE TABLE IF NOT EXISTS drops (
    stream TEXT PRIMARY KEY,
    n      INTEGER NOT NULL
);`

// Open opens the log and creates it if it does not exist.
func Open(cfg Config) (*Log, error) {
	if cfg.Path == "" {
		return nil, errors.New("embedded log: Path is needed")
	}
	if cfg.Poll == 0 {
		cfg.Poll = 250 * time.Millisecond
	}
	if err := os.MkdirAll(filepath.Dir(cfg.Path), 0o750); err != nil {
		return nil, fmt.Errorf("embedded log: %w", err)
	}
	const options = "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_txlock=immediate"
	dsn := "file:" + (&url.URL{Path: cfg.Path}).EscapedPath() + options
	writer, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("embedded log: %w", err)
	}
	writer.SetMaxOpenConns(1)
	if _, err := writer.Exec(schema); err != nil {
		return nil, errors.Join(fmt.Errorf("embedded log %s: %w", cfg.Path, err), writer.Close())
	}
	reader, err := sql.Open("sqlite", dsn+"&_pragma=query_only(1)")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("embedded log: %w", err), writer.Close())
	}
	reader.SetMaxOpenConns(4)
	file, err := os.Stat(cfg.Path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("embedded log: %w", err), reader.Close(), writer.Close())
	}
	return &Log{cfg: cfg, file: file, writer: writer, reader: reader, news: make(chan struct{}), closed: make(chan struct{}), pruned: map[string]time.Time{}}, nil
}

// Publish implements bus.Bus. It appends a batch entirely or not at all.
func (l *Log) Publish(ctx context.Context, stream string, messages []bus.Message) error {
	if err := l.State(); err != nil {
		return err
	}
	if len(messages) == 0 {
		return nil // a stream needs no declaration here
	}
	if err := bus.CheckAll(messages); err != nil {
		return fmt.Errorf("append events to %s: %w", stream, err)
	}
	tx, err := l.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", bus.ErrUnavailable, err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	const perStatement = 200
	for start := 0; start < len(messages); start += perStatement {
		part := messages[start:min(start+perStatement, len(messages))]
		args := make([]any, 0, 4*len(part))
		for _, m := range part {
			args = append(args, stream, bus.Identify(m.ID, m.Body), m.Type, m.Body)
		}
		rows := strings.TrimSuffix(strings.Repeat("(?,?,?,?),", len(part)), ",")
		if _, err := tx.ExecContext(ctx, "INSERT INTO events (stream, id, type, body) VALUES "+rows, args...); err != nil {
			return fmt.Errorf("%w: append events: %w", bus.ErrUnavailable, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("%w: append events: %w", bus.ErrUnavailable, err)
	}
	l.wake()
	l.pruneNow(ctx, stream)
	return nil
}

// wake wakes every subscription in this process.
func (l *Log) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.news)
	l.news = make(chan struct{})
}

func (l *Log) nextNews() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.news
}

// Subscribe implements bus.Bus.
func (l *Log) Subscribe(ctx context.Context, stream string, after bus.Position) (bus.Subscription, error) {
	if err := l.State(); err != nil {
		return nil, err
	}
	drops, err := l.drops(ctx, stream) // before the check, so that no later drop is missed
	if err != nil {
		return nil, err
	}
	if !after.IsStart() {
		if err := l.check(ctx, stream, after); err != nil {
			return nil, err
		}
	}
	return &subscription{log: l, stream: stream, after: after.LastOffset(), drops: drops, closed: make(chan struct{})}, nil
}

// drops returns how often a stream was dropped.
func (l *Log) drops(ctx context.Context, stream string) (n int64, err error) {
	err = l.reader.QueryRowContext(ctx, "SELECT COALESCE(SUM(n), 0) FROM drops WHERE stream = ?", stream).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", bus.ErrUnavailable, err)
	}
	return n, nil
}

// check returns ErrHistoryChanged unless the event at the position is still there. For
// AnyEvent, the stream must reach the position's offset.
func (l *Log) check(ctx context.Context, stream string, at bus.Position) error {
	if at.ID == bus.AnyEvent {
		end, err := l.End(ctx, stream)
		if err == nil && end.LastOffset() < at.Offset {
			err = fmt.Errorf("%w: %s ends before offset %d", bus.ErrHistoryChanged, stream, at.Offset)
		}
		return err
	}
	var id string
	err := l.reader.QueryRowContext(ctx, "SELECT id FROM events WHERE stream = ? AND offset = ?", stream, at.Offset).Scan(&id)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%w: there is no event at offset %d of %s", bus.ErrHistoryChanged, at.Offset, stream)
	case err != nil:
		return fmt.Errorf("%w: %w", bus.ErrUnavailable, err)
	case id != at.ID:
		return fmt.Errorf("%w: offset %d of %s holds event %s, not %s", bus.ErrHistoryChanged, at.Offset, stream, id, at.ID)
	}
	return nil
}

// End implements bus.Bus.
func (l *Log) End(ctx context.Context, stream string) (bus.Position, error) {
	if err := l.State(); err != nil {
		return bus.Position{}, err
	}
	var end bus.Position
	err := l.reader.QueryRowContext(ctx, "SELECT offset, id FROM events WHERE stream = ? ORDER BY offset DESC LIMIT 1", stream).
		Scan(&end.Offset, &end.ID)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return bus.Position{}, fmt.Errorf("%w: %w", bus.ErrUnavailable, err)
	}
	return end, nil
}

// Verify implements bus.Bus. Streams need no declaration, so it never returns
// ErrNoStream.
func (l *Log) Verify(ctx context.Context, stream string, newest bus.Published, after bus.Position) (bus.Position, error) {
	if err := l.State(); err != nil {
		return bus.Position{}, err
	}
	if !after.IsStart() {
		if err := l.check(ctx, stream, after); err != nil {
			return bus.Position{}, err
		}
	}
	if newest.ID == "" {
		return l.End(ctx, stream)
	}
	at := bus.Position{ID: newest.ID}
	err := l.reader.QueryRowContext(ctx, "SELECT offset FROM events WHERE stream = ? AND id = ? AND offset >= ? ORDER BY offset DESC LIMIT 1",
		stream, newest.ID, after.LastOffset()).Scan(&at.Offset)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return bus.Position{}, newest.Missing(stream)
	case err != nil:
		return bus.Position{}, fmt.Errorf("%w: %w", bus.ErrUnavailable, err)
	}
	return at, nil
}

// Since implements bus.Bus. It compares the events' own time attribute.
func (l *Log) Since(ctx context.Context, stream string, t time.Time) (int64, error) {
	if err := l.State(); err != nil {
		return 0, err
	}
	var offset int64
	err := l.reader.QueryRowContext(ctx, `SELECT COALESCE(
		(SELECT MIN(offset) FROM events WHERE stream = ?1 AND json_valid(CAST(body AS TEXT)) AND julianday(json_extract(CAST(body AS TEXT), '$.time')) >= julianday(?2)),
		(SELECT MAX(offset) + 1 FROM events WHERE stream = ?1), 0)`, stream, t.UTC().Format(time.RFC3339Nano)).Scan(&offset)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", bus.ErrUnavailable, err)
	}
	return offset, nil
}

// Drop implements bus.Bus.
func (l *Log) Drop(ctx context.Context, stream string) error {
	if err := l.State(); err != nil {
		return err
	}
	// First count the drop, so that no subscription reads events of the next history unaware.
	const count = "INSERT INTO drops (stream, n) VALUES (?, 1) ON CONFLICT (stream) DO UPDATE SET n = n + 1"
	for _, statement := range []string{count, "DELETE FROM events WHERE stream = ?"} {
		if _, err := l.writer.ExecContext(ctx, statement, stream); err != nil {
			return fmt.Errorf("%w: drop %s: %w", bus.ErrUnavailable, stream, err)
		}
	}
	return nil
}

// State implements bus.Bus. It does not reopen a file that was deleted or replaced: two
// files of one name share their journals, which corrupts both.
func (l *Log) State() error {
	if l.isClosed() {
		return bus.ErrClosed
	}
	now, err := os.Stat(l.cfg.Path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: %s was deleted; restart the processes that use it, and the outboxes are published again", bus.ErrMisconfigured, l.cfg.Path)
	case err != nil:
		return fmt.Errorf("%w: %w", bus.ErrUnavailable, err)
	case !os.SameFile(now, l.file):
		return fmt.Errorf("%w: %s was replaced; restart the processes that use it", bus.ErrMisconfigured, l.cfg.Path)
	}
	return nil
}

// Close implements bus.Bus.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closed:
		return nil
	default:
	}
	close(l.closed)
	return errors.Join(l.reader.Close(), l.writer.Close())
}

func (l *Log) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// subscription reads one stream. It implements bus.Subscription.
type subscription struct {
	log    *Log
	stream string
	after  int64
	drops  int64 // of the stream when the subscription began
	once   sync.Once
	closed chan struct{}
}

// Next implements bus.Subscription.
func (s *subscription) Next(ctx context.Context, max int) ([]bus.Delivery, error) {
	for {
		news := s.log.nextNews() // taken before reading, so that no publish in between is missed
		found, err := s.read(ctx, max)
		if len(found) > 0 || err != nil {
			return found, err
		}
		poll := time.NewTimer(s.log.cfg.Poll)
		select {
		case <-ctx.Done():
		case <-s.closed:
		case <-s.log.closed:
		case <-news:
		case <-poll.C:
		}
		poll.Stop()
	}
}

func (s *subscription) read(ctx context.Context, max int) ([]bus.Delivery, error) {
	select {
	case <-s.closed:
		return nil, bus.ErrClosed
	case <-s.log.closed:
		return nil, bus.ErrClosed
	default:
	}
	if err := s.log.State(); err != nil {
		return nil, err
	}
	rows, err := s.log.reader.QueryContext(ctx, `SELECT offset, id, body, (SELECT COALESCE(SUM(n), 0) FROM drops WHERE stream = ?)
		FROM events WHERE stream = ? AND offset > ? ORDER BY offset LIMIT ?`, s.stream, s.stream, s.after, max)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	var found []bus.Delivery
	for rows.Next() {
		var d bus.Delivery
		var drops int64
		if err := rows.Scan(&d.Offset, &d.ID, &d.Body, &drops); err != nil {
			return nil, s.failed(ctx, err)
		}
		if drops != s.drops {
			return nil, fmt.Errorf("%w: %s was deleted and begun anew; subscribe again", bus.ErrUnavailable, s.stream)
		}
		found = append(found, d)
	}
	if err := rows.Err(); err != nil {
		return nil, s.failed(ctx, err)
	}
	if len(found) > 0 {
		s.after = found[len(found)-1].Offset
	}
	return found, nil
}

func (s *subscription) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: read events: %w", bus.ErrUnavailable, err)
}

// Close implements bus.Subscription.
func (s *subscription) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}
