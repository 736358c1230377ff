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

// ErrBadURL is wrapped by the errors of an invalid database URL. A retry does not help.
var ErrBadURL = errors.New("not a database URL")

// Config configures a database.
type Config struct {
	URL    string // postgres://… or sqlite:/path/to/file.db
	Schema string // PostgreSQL schema, created if missing; SQLite has none
	Pool   int    // maximum number of PostgreSQL connections; 0 means 10
	// MaxLife is the age at which a connection to PostgreSQL is replaced; 0 means 30 minutes.
	// MaxIdle is the idle time after which one is closed; 0 means 5 minutes.
	MaxLife, MaxIdle time.Duration
	Log              *slog.Logger
}

// Open opens the database with one attempt. Its error has host, port and database, never a
// password.
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
		return nil, fmt.Errorf("%w: it must begin with sqlite: or postgres://", ErrBadURL)
	}
}

// OpenRetry retries Open until it succeeds or ctx ends. It logs each failure with its cause
// and the time of the next attempt. It returns errors that a retry cannot fix at once: see
// permanent.
func OpenRetry(ctx context.Context, cfg Config) (*gorm.DB, error) {
	return retry(ctx, cfg, Open)
}

// OpenMigrated opens and migrates the database. Like OpenRetry it retries, also if the server
// becomes unavailable during a migration.
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

// permanent reports whether a retry cannot help: the URL is invalid, the file is in use, the
// pooler is in an unsupported mode, the server refuses the password, the role or the database
// name, the role lacks a right, or a migration is faulty.
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

// Ping returns an error if the database does not respond within two seconds.
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

// Close closes the database's connections.
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

// Now returns the time with the precision of both databases: UTC, in microseconds.
func Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// Wrap prefixes a query's error with the action that failed. It returns nil for nil.
func Wrap(err error, doing string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// settings returns the gorm configuration of both databases. gorm does not prepare
// statements, since that slows those first used inside a transaction. It does not log errors,
// since callers get them.
func settings() *gorm.Config {
	return &gorm.Config{
		SkipDefaultTransaction: true,
		TranslateError:         true,
		NowFunc:                Now,
		Logger:                 logger.Discard,
	}
}
