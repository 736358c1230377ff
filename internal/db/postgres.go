package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
		return nil, fmt.Errorf("%w: it does not parse as a PostgreSQL URL (postgres://user@host:port/database)", ErrBadURL)
	}
	schema := pgx.Identifier{cfg.Schema}.Sanitize()
	pg.RuntimeParams["search_path"] = schema
	pg.RuntimeParams["application_name"] = "quadrille " + cfg.Schema
	// A process that is stopped in the middle of a transaction must not hold its
	// locks for ever. The longest that is idle on purpose is a relay's, while the log
	// confirms.
	pg.RuntimeParams["idle_in_transaction_session_timeout"] = "30s"
	if pg.ConnectTimeout == 0 {
		pg.ConnectTimeout = 5 * time.Second
	}
	pool := sql.OpenDB(&classifying{Connector: stdlib.GetConnector(*pg, stdlib.OptionShouldPing(deaf))})
	pool.SetMaxOpenConns(cfg.Pool)
	pool.SetMaxIdleConns(cfg.Pool)
	pool.SetConnMaxLifetime(cfg.MaxLife)
	pool.SetConnMaxIdleTime(cfg.MaxIdle)
	db, err := gorm.Open(postgres.New(postgres.Config{Conn: pool}), settings())
	if err == nil {
		err = createSchema(ctx, db, schema)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("PostgreSQL at %s:%d, database %s: %w", pg.Host, pg.Port, pg.Database, brief(err)), pool.Close())
	}
	return db, nil
}

// deaf reports whether a connection from the pool is of no more use. One that was
// idle is asked, and not for longer than an instant: after a network that dropped
// everything without a word, all of them are deaf, and whoever took one would wait
// until its own time is up. pgx asks again where the answer is yes, finds the
// connection closed, and another one is taken.
func deaf(ctx context.Context, c stdlib.ShouldPingParams) bool {
	const fresh, instant = time.Second, 2 * time.Second
	if c.IdleDuration < fresh {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, instant)
	defer cancel()
	return c.Conn.PgConn().Ping(ctx) != nil
}

// createSchema creates the schema where it is missing. Without the lock two
// processes that start together can both find it missing, and one fails.
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

// brief is the cause of a failed connection without the whole configuration
// that pgx puts before it.
func brief(err error) error {
	var failed *pgconn.ConnectError
	if !errors.As(err, &failed) {
		return err
	}
	lines := strings.Split(strings.TrimSpace(failed.Unwrap().Error()), "\n")
	return errors.New(strings.TrimSpace(lines[len(lines)-1])) //nolint:err113 // carries pgx's own words
}
