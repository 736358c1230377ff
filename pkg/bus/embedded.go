package bus

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
)

// EmbeddedConfig says where the embedded log is kept.
type EmbeddedConfig struct {
	Path string        // of the SQLite file; its folder is created
	Poll time.Duration // how often readers look for what other processes wrote; 250 ms where 0
	// MaxAge and MaxBytes bound what a stream keeps; 0 keeps everything. The newest
	// event always stays.
	MaxAge   time.Duration
	MaxBytes int64 // of event bodies, per stream
	Log      *slog.Logger
}

// Embedded is the log in one SQLite file: an append-only table, read by offset.
// It needs no server. Readers in the same process are woken by a publish; those
// of other processes poll.
type Embedded struct {
	cfg    EmbeddedConfig
	file   os.FileInfo // tells the open file from another one of the same name
	writer *sql.DB     // one connection: SQLite has one writer
	reader *sql.DB

	mu     sync.Mutex
	news   chan struct{} // closed by the next publish
	closed chan struct{}
	pruned map[string]time.Time // when each stream was pruned last
}

const embeddedSchema = `
CREATE TABLE IF NOT EXISTS events (
    offset INTEGER PRIMARY KEY AUTOINCREMENT,
    stream TEXT NOT NULL,
    id     TEXT NOT NULL,
    type   TEXT NOT NULL,
    body   BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_stream ON events (stream, offset);`

// NewEmbedded opens the log, creating it where missing.
func NewEmbedded(cfg EmbeddedConfig) (*Embedded, error) {
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
	if _, err := writer.Exec(embeddedSchema); err != nil {
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
	return &Embedded{cfg: cfg, file: file, writer: writer, reader: reader, news: make(chan struct{}), closed: make(chan struct{}), pruned: map[string]time.Time{}}, nil
}

// Publish is Bus's. A batch is appended whole or not at all.
func (b *Embedded) Publish(ctx context.Context, stream string, messages []Message) error {
	if err := b.State(); err != nil {
		return err
	}
	if len(messages) == 0 {
		return nil // a stream needs no declaration here
	}
	if err := checkAll(messages); err != nil {
		return fmt.Errorf("append events to %s: %w", stream, err)
	}
	tx, err := b.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	const perStatement = 200
	for start := 0; start < len(messages); start += perStatement {
		part := messages[start:min(start+perStatement, len(messages))]
		args := make([]any, 0, 4*len(part))
		for _, m := range part {
			args = append(args, stream, identify(m.ID, m.Body), m.Type, m.Body)
		}
		rows := strings.TrimSuffix(strings.Repeat("(?,?,?,?),", len(part)), ",")
		if _, err := tx.ExecContext(ctx, "INSERT INTO events (stream, id, type, body) VALUES "+rows, args...); err != nil {
			return fmt.Errorf("%w: append events: %w", ErrUnavailable, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("%w: append events: %w", ErrUnavailable, err)
	}
	b.tell()
	b.pruneNow(ctx, stream)
	return nil
}

// tell wakes every reader in this process.
func (b *Embedded) tell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.news)
	b.news = make(chan struct{})
}

func (b *Embedded) nextNews() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.news
}

// Subscribe is Bus's.
func (b *Embedded) Subscribe(ctx context.Context, stream string, after Position) (Subscription, error) {
	if err := b.State(); err != nil {
		return nil, err
	}
	if !after.IsStart() {
		if err := b.check(ctx, stream, after); err != nil {
			return nil, err
		}
	}
	s := &embeddedSubscription{bus: b, stream: stream, after: after.Offset, closed: make(chan struct{})}
	if after.IsStart() {
		s.after = beforeFirst
	}
	return s, nil
}

// check makes sure that the event at the position is the one the reader knew; of
// any event, that the stream goes so far.
func (b *Embedded) check(ctx context.Context, stream string, at Position) error {
	if at.ID == AnyEvent {
		end, err := b.End(ctx, stream)
		if err == nil && end.explicit().Offset < at.Offset {
			err = fmt.Errorf("%w: %s ends before offset %d", ErrHistoryChanged, stream, at.Offset)
		}
		return err
	}
	var id string
	err := b.reader.QueryRowContext(ctx, "SELECT id FROM events WHERE stream = ? AND offset = ?", stream, at.Offset).Scan(&id)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%w: there is no event at offset %d of %s", ErrHistoryChanged, at.Offset, stream)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case id != at.ID:
		return fmt.Errorf("%w: offset %d of %s holds event %s, not %s", ErrHistoryChanged, at.Offset, stream, id, at.ID)
	}
	return nil
}

// End is Bus's.
func (b *Embedded) End(ctx context.Context, stream string) (Position, error) {
	if err := b.State(); err != nil {
		return Position{}, err
	}
	var end Position
	err := b.reader.QueryRowContext(ctx, "SELECT offset, id FROM events WHERE stream = ? ORDER BY offset DESC LIMIT 1", stream).
		Scan(&end.Offset, &end.ID)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return Position{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return end, nil
}

// Verify is Bus's. A stream needs no declaration here: one without events lacks the
// newest.
func (b *Embedded) Verify(ctx context.Context, stream string, newest Published, after Position) (Position, error) {
	if err := b.State(); err != nil {
		return Position{}, err
	}
	if !after.IsStart() {
		if err := b.check(ctx, stream, after); err != nil {
			return Position{}, err
		}
	}
	if newest.ID == "" {
		return b.End(ctx, stream)
	}
	at := Position{ID: newest.ID}
	err := b.reader.QueryRowContext(ctx, "SELECT offset FROM events WHERE stream = ? AND id = ? AND offset >= ? ORDER BY offset DESC LIMIT 1",
		stream, newest.ID, after.explicit().Offset).Scan(&at.Offset)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Position{}, missing(stream, newest)
	case err != nil:
		return Position{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return at, nil
}

// Since is Bus's. It goes by the time that the events carry.
func (b *Embedded) Since(ctx context.Context, stream string, t time.Time) (int64, error) {
	if err := b.State(); err != nil {
		return 0, err
	}
	var offset int64
	err := b.reader.QueryRowContext(ctx, `SELECT COALESCE(
		(SELECT MIN(offset) FROM events WHERE stream = ?1 AND json_valid(CAST(body AS TEXT)) AND julianday(json_extract(CAST(body AS TEXT), '$.time')) >= julianday(?2)),
		(SELECT MAX(offset) + 1 FROM events WHERE stream = ?1), 0)`, stream, t.UTC().Format(time.RFC3339Nano)).Scan(&offset)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return offset, nil
}

// Drop is Bus's.
func (b *Embedded) Drop(ctx context.Context, stream string) error {
	if err := b.State(); err != nil {
		return err
	}
	if _, err := b.writer.ExecContext(ctx, "DELETE FROM events WHERE stream = ?", stream); err != nil {
		return fmt.Errorf("%w: drop %s: %w", ErrUnavailable, stream, err)
	}
	return nil
}

// State is Bus's. A file that was deleted or replaced is not opened again: two files of
// one name share their journals, which corrupts both.
func (b *Embedded) State() error {
	if b.isClosed() {
		return ErrClosed
	}
	now, err := os.Stat(b.cfg.Path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: %s was deleted; restart the processes that use it, and the outboxes are published again", ErrMisconfigured, b.cfg.Path)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case !os.SameFile(now, b.file):
		return fmt.Errorf("%w: %s was replaced; restart the processes that use it", ErrMisconfigured, b.cfg.Path)
	}
	return nil
}

// Close is Bus's.
func (b *Embedded) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-b.closed:
		return nil
	default:
	}
	close(b.closed)
	return errors.Join(b.reader.Close(), b.writer.Close())
}

func (b *Embedded) isClosed() bool {
	select {
	case <-b.closed:
		return true
	default:
		return false
	}
}

// embeddedSubscription is one reader's place in the file.
type embeddedSubscription struct {
	bus    *Embedded
	stream string
	after  int64
	once   sync.Once
	closed chan struct{}
}

// Next is Subscription's.
func (s *embeddedSubscription) Next(ctx context.Context, max int) ([]Delivery, error) {
	for {
		news := s.bus.nextNews() // before looking: what comes after the look wakes
		found, err := s.read(ctx, max)
		if len(found) > 0 || err != nil {
			return found, err
		}
		poll := time.NewTimer(s.bus.cfg.Poll)
		select {
		case <-ctx.Done():
		case <-s.closed:
		case <-s.bus.closed:
		case <-news:
		case <-poll.C:
		}
		poll.Stop()
	}
}

func (s *embeddedSubscription) read(ctx context.Context, max int) ([]Delivery, error) {
	select {
	case <-s.closed:
		return nil, ErrClosed
	case <-s.bus.closed:
		return nil, ErrClosed
	default:
	}
	if err := s.bus.State(); err != nil {
		return nil, err
	}
	rows, err := s.bus.reader.QueryContext(ctx, "SELECT offset, id, body FROM events WHERE stream = ? AND offset > ? ORDER BY offset LIMIT ?",
		s.stream, s.after, max)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	var found []Delivery
	for rows.Next() {
		var d Delivery
		if err := rows.Scan(&d.Offset, &d.ID, &d.Body); err != nil {
			return nil, s.failed(ctx, err)
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

func (s *embeddedSubscription) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: read events: %w", ErrUnavailable, err)
}

// Close is Subscription's.
func (s *embeddedSubscription) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}
