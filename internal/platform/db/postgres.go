package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"quadrille/pkg/dbtx"
)

func openPostgres(ctx context.Context, cfg Config) (*gorm.DB, error) {
	pg, err := pgx.ParseConfig(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("%w: it is not a valid PostgreSQL URL (postgres://user@host:port/database)", ErrBadURL)
	}
	delete(pg.RuntimeParams, "search_path")
	pg.RuntimeParams["application_name"] = "quadrille " + cfg.Schema
	if pg.ConnectTimeout == 0 {
		pg.ConnectTimeout = 5 * time.Second
	}
	db, err := openSchema(ctx, cfg, pg, noPooler)
	if errors.Is(err, errPooled) {
		var mode pooling
		if mode, err = detectPooling(ctx, pg); err == nil {
			db, err = openSchema(ctx, cfg, pg, mode)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL at %s, database %s: %w", hosts(pg), pg.Database, brief(err))
	}
	return db, nil
}

// openSchema opens a pool whose connections use the schema, which it creates if it is
// missing. It returns errPooled, without having written, if mode is noPooler and there is a
// pooler.
func openSchema(ctx context.Context, cfg Config, pg *pgx.ConnConfig, mode pooling) (*gorm.DB, error) {
	fitExecMode(pg, mode)
	connector := stdlib.GetConnector(*pg, stdlib.OptionShouldPing(deaf), stdlib.OptionAfterConnect(enterSchema(cfg.Schema, pg.User, mode, pg.ConnectTimeout)))
	pool := sql.OpenDB(&classifying{Connector: connector})
	pool.SetMaxOpenConns(cfg.Pool)
	pool.SetMaxIdleConns(cfg.Pool)
	pool.SetConnMaxLifetime(cfg.MaxLife)
	pool.SetConnMaxIdleTime(cfg.MaxIdle)
	db, err := gorm.Open(postgres.New(postgres.Config{Conn: pool}), settings())
	if err == nil {
		err = createSchema(ctx, db, pgx.Identifier{cfg.Schema}.Sanitize())
	}
	if err == nil {
		err = inSchema(ctx, db, cfg.Schema, pg.User, mode)
	}
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return db, nil
}

// inSchema checks that new tables would be created in the schema.
func inSchema(ctx context.Context, db *gorm.DB, schema, user string, mode pooling) error {
	var found string
	if err := db.WithContext(ctx).Raw("SELECT coalesce(current_schema(), '')").Scan(&found).Error; err != nil {
		return Wrap(err, "read the current schema")
	}
	if found != schema {
		return wrongSchema(found, schema, user, mode)
	}
	return nil
}

// hosts returns the servers that are tried in turn.
func hosts(pg *pgx.ConnConfig) string {
	all := []string{fmt.Sprintf("%s:%d", pg.Host, pg.Port)}
	for _, f := range pg.Fallbacks {
		if next := fmt.Sprintf("%s:%d", f.Host, f.Port); !slices.Contains(all, next) {
			all = append(all, next)
		}
	}
	return strings.Join(all, ", ")
}

// deaf reports whether an idle connection no longer responds. It waits only briefly: after a
// network failure that drops packets silently, all connections are dead, and a caller would
// otherwise wait until its own deadline. If deaf returns true, pgx pings again, finds the
// connection closed, and the pool uses another one.
func deaf(ctx context.Context, c stdlib.ShouldPingParams) bool {
	const fresh, instant = time.Second, 2 * time.Second
	if c.IdleDuration < fresh {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, instant)
	defer cancel()
	return c.Conn.PgConn().Ping(ctx) != nil
}

// createSchema creates the schema if it is missing. Without the lock, two processes that
// start at the same time could both try, and one would fail.
func createSchema(ctx context.Context, db *gorm.DB, schema string) error {
	return dbtx.Run(db.WithContext(ctx), func(tx *gorm.DB) error {
		var found bool
		if err := tx.Raw("SELECT to_regnamespace(?) IS NOT NULL", schema).Scan(&found).Error; err != nil || found {
			return Wrap(err, "look for schema")
		}
		if err := tx.Exec("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", "create schema "+schema).Error; err != nil {
			return Wrap(err, "lock schema creation")
		}
		return Wrap(tx.Exec("CREATE SCHEMA IF NOT EXISTS "+schema).Error, "create schema")
	})
}

// brief shortens the error of a failed connection: pgx puts the whole configuration before
// the cause. errors.Is and errors.As still find the cause.
func brief(err error) error {
	var failed *pgconn.ConnectError
	if !errors.As(err, &failed) {
		return err
	}
	lines := strings.Split(strings.TrimSpace(failed.Unwrap().Error()), "\n")
	return &shortened{text: strings.TrimSpace(lines[len(lines)-1]), cause: err}
}

type shortened struct {
	text  string
	cause error
}

// Error returns the short text.
func (s *shortened) Error() string { return s.text }

// Unwrap returns the whole error.
func (s *shortened) Unwrap() error { return s.cause }
