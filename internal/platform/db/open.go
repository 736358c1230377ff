package db

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"quadrille/pkg/dberr"
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

// OpenRetry is Open, tried until it succeeds or ctx ends. Each failure goes to the log:
// what cannot be reached, why, and when the next try comes. What another try does not
// mend is returned at once: see permanent.
func OpenRetry(ctx context.Context, cfg Config) (*gorm.DB, error) {
	return retry(ctx, cfg, Open)
}

// OpenMigrated is OpenRetry and Migrate, tried together: a server that goes away during
// a migration is waited for, too.
func OpenMigrated(ctx context.Context, cfg Config, service string, own fs.FS) (*gorm.DB, error) {
	return retry(ctx, cfg, func(ctx context.Context, cfg Config) (*gorm.DB, error) {
		conn, err := Open(ctx, cfg)
		if err != nil {
			return nil, err
		}
		if err := Migrate(ctx, conn, service, own); err != nil {
			return nil, errors.Join(&migrateError{cause: err}, Close(conn))
		}
		return conn, nil
	})
}

func retry(ctx context.Context, cfg Config, open func(context.Context, Config) (*gorm.DB, error)) (*gorm.DB, error) {
	policy := backoff.NewExponentialBackOff()
	policy.InitialInterval, policy.MaxInterval = 250*time.Millisecond, 10*time.Second
	return backoff.Retry(ctx, func() (*gorm.DB, error) {
		conn, err := open(ctx, cfg)
		if err != nil && permanent(err) {
			return nil, backoff.Permanent(err)
		}
		return conn, err
	}, backoff.WithBackOff(policy), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, next time.Duration) {
		cfg.Log.Warn("cannot reach the database; trying again", "error", err, "next_try_in", next.Round(10*time.Millisecond).String())
	}))
}

// permanent reports whether a start fails for good: the URL is none, the file is in
// use, the pooler does not fit, the server refuses the password, the role or the name
// of the database, the role lacks a right, or a migration fails for its own sake.
func permanent(err error) bool {
	for _, known := range []error{ErrBadURL, ErrInUse, ErrPooler} {
		if errors.Is(err, known) {
			return true
		}
	}
	var migrating *migrateError
	kind := dberr.Of(err)
	return kind == dberr.Unfit || kind == dberr.Other && errors.As(err, &migrating)
}

// migrateError is a failure after the database was reached.
type migrateError struct{ cause error }

// Error names the step.
func (e *migrateError) Error() string { return "migrate: " + e.cause.Error() }

// Unwrap returns the cause.
func (e *migrateError) Unwrap() error { return e.cause }

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

// Now returns the time as both databases keep it: UTC, in microseconds.
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
