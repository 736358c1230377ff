package db

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// ErrBadURL is wrapped by errors of a database URL that no other try will mend.
var ErrBadURL = errors.New("not a database URL")

// Config says which database to open.
type Config struct {
	URL    string // postgres://… or sqlite:/path/to/file.db
	Schema string // PostgreSQL schema, created where missing; SQLite has none
	Pool   int    // PostgreSQL connections at the most; 10 where 0
	// MaxLife is after how long a connection to PostgreSQL is replaced; 30 minutes where 0.
	// MaxIdle is after how long one that nobody uses is closed; 5 minutes where 0.
	MaxLife, MaxIdle time.Duration
	Log              *slog.Logger
}

// Open tries once to open the database. Its error names host, port and database,
// never a password.
func Open(ctx context.Context, cfg Config) (*gorm.DB, error) {
	if cfg.Pool == 0 {
		cfg.Pool = 10
	}
	if cfg.MaxLife == 0 {
		cfg.MaxLife = 30 * time.Minute
	}
	if cfg.MaxIdle == 0 {
		cfg.MaxIdle = 5 * time.Minute
	}
	scheme, rest, _ := strings.Cut(cfg.URL, ":")
	switch scheme {
	case "postgres", "postgresql":
		return openPostgres(ctx, cfg)
	case "sqlite":
		return openSQLite(ctx, rest)
	default:
		return nil, fmt.Errorf("%w: neither postgres:// nor sqlite: stands at its beginning", ErrBadURL)
	}
}

// OpenRetry opens the database however long that takes, until ctx ends. Each
// failure goes to the log: what cannot be reached, why, and when the next try
// comes. A URL that is none and a file in use fail at once.
func OpenRetry(ctx context.Context, cfg Config) (*gorm.DB, error) {
	policy := backoff.NewExponentialBackOff()
	policy.InitialInterval, policy.MaxInterval = 250*time.Millisecond, 10*time.Second
	return backoff.Retry(ctx, func() (*gorm.DB, error) {
		conn, err := Open(ctx, cfg)
		if errors.Is(err, ErrBadURL) || errors.Is(err, ErrInUse) {
			return nil, backoff.Permanent(err)
		}
		return conn, err
	}, backoff.WithBackOff(policy), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, next time.Duration) {
		cfg.Log.Warn("cannot reach the database; trying again", "error", err, "next_try_in", next.Round(10*time.Millisecond).String())
	}))
}

// Ping asks whether the database answers, within two seconds.
func Ping(ctx context.Context, db *gorm.DB) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := db.DB()
	if err != nil {
		return fmt.Errorf("ping database: %w", err)
	}
	if err := conn.PingContext(ctx); err != nil {
		return fmt.Errorf("ping database: %w", err)
	}
	return nil
}

// Close lets go of the database.
func Close(db *gorm.DB) error {
	conn, err := db.DB()
	if err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	err = conn.Close()
	if held, ok := db.Dialector.(interface{ unlock() error }); ok {
		err = errors.Join(err, held.unlock())
	}
	return err
}

// Now is the time as both databases keep it: UTC, in microseconds.
func Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// Wrap says what was being done when a query failed; nil stays nil.
func Wrap(err error, doing string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// settings are gorm's, alike for both databases. Statements are not prepared by
// gorm: that slows those first used inside a transaction. Errors go to the
// caller and nowhere else.
func settings() *gorm.Config {
	return &gorm.Config{
		SkipDefaultTransaction: true,
		TranslateError:         true,
		NowFunc:                Now,
		Logger:                 logger.Discard,
	}
}
