package db

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"gorm.io/gorm"
)

//go:embed migrations
var common embed.FS

// Migrate brings the tables that every service has, and then the service's own,
// to the newest version. own holds migrations/postgres/NNNNN_name.sql
// and migrations/sqlite/NNNNN_name.sql. Two processes at once are safe: one waits for the other.
func Migrate(ctx context.Context, db *gorm.DB, service string, own fs.FS) error {
	if err := migrate(ctx, db, "schema_common", common); err != nil {
		return fmt.Errorf("common tables: %w", err)
	}
	if err := migrate(ctx, db, "schema_own", own); err != nil {
		return fmt.Errorf("tables of %s: %w", service, err)
	}
	return nil
}

// migrate runs the migrations that belong to the database's
// dialect. Their versions are kept in a table of their own, so that common and
// own numbers never clash.
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
	options := []goose.ProviderOption{goose.WithTableName(table), goose.WithDisableGlobalRegistry(true)}
	kind := goose.DialectSQLite3
	if dialect == "postgres" {
		kind = goose.DialectPostgres
		id, err := lockID(ctx, db, table)
		if err != nil {
			return err
		}
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(id), lock.WithLockTimeout(1, 300))
		if err != nil {
			return fmt.Errorf("make migration lock: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	provider, err := goose.NewProvider(kind, conn, scripts, options...)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if _, err = provider.Up(ctx); err != nil && !errors.Is(err, goose.ErrNoNextVersion) {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// lockID is a lock of each schema's own: services that share a server need not
// wait for each other.
func lockID(ctx context.Context, db *gorm.DB, table string) (id int64, err error) {
	err = db.WithContext(ctx).Raw("SELECT hashtextextended(current_schema() || ?, 0)", "."+table).Scan(&id).Error
	return id, Wrap(err, "name migration lock")
}
