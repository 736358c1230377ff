package db

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"gorm.io/gorm"

	"quadrille/pkg/dbtx"
)

//go:embed migrations
var common embed.FS

// Migrate migrates the common tables and then the service's own to the newest version. own
// has migrations/postgres/NNNNN_name.sql and migrations/sqlite/NNNNN_name.sql. Concurrent
// processes wait for each other.
func Migrate(ctx context.Context, db *gorm.DB, service string, own fs.FS) error {
	return alone(ctx, db, func() error {
		if err := migrate(ctx, db, "schema_common", common); err != nil {
			return fmt.Errorf("common tables: %w", err)
		}
		if err := migrate(ctx, db, "schema_own", own); err != nil {
			return fmt.Errorf("tables of %s: %w", service, err)
		}
		return nil
	})
}

// migrate runs the migrations for the database's dialect and records their versions in
// table. The common and the service's own migrations use different tables, so that their
// numbers do not clash.
func migrate(ctx context.Context, db *gorm.DB, table string, files fs.FS) (err error) {
	dialect := db.Name()
	scripts, err := fs.Sub(files, "migrations/"+dialect)
	if err != nil {
		return fmt.Errorf("find migrations: %w", err)
	}
	conn, err := db.DB()
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	kind := goose.DialectSQLite3
	if dialect == "postgres" {
		kind = goose.DialectPostgres
	}
	provider, err := goose.NewProvider(kind, conn, scripts, goose.WithTableName(table), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if _, err = provider.Up(ctx); err != nil && !errors.Is(err, goose.ErrNoNextVersion) {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// alone runs work while no other process migrates the same schema. On PostgreSQL it holds an
// advisory lock in a transaction, which a pooler in transaction mode keeps on one server
// connection; work uses another one. It polls for the lock instead of waiting in the server,
// so that waiting processes occupy no connection.
func alone(ctx context.Context, db *gorm.DB, work func() error) error {
	if db.Name() != "postgres" {
		return work()
	}
	pool, err := db.DB()
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if most := pool.Stats().MaxOpenConnections; most == 1 {
		pool.SetMaxOpenConns(2)
		defer pool.SetMaxOpenConns(most)
	}
	const lockPoll = 100 * time.Millisecond
	for {
		var mine bool
		err := dbtx.Once(db.WithContext(ctx), func(tx *gorm.DB) error {
			// The transaction is idle as long as the migrations take.
			if err := tx.Exec("SET LOCAL idle_in_transaction_session_timeout = '1h'").Error; err != nil {
				return Wrap(err, "prepare migration lock")
			}
			// The lock is per schema: services that share a server do not wait for each other.
			err := tx.Raw("SELECT pg_try_advisory_xact_lock(hashtextextended(current_schema() || '.migrate', 0))").Row().Scan(&mine)
			if err != nil || !mine {
				return Wrap(err, "take migration lock")
			}
			return work()
		})
		if err != nil || mine {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for another process that migrates: %w", ctx.Err())
		case <-time.After(lockPoll):
		}
	}
}
