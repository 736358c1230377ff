package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/pkg/dberr"
)

// OpenDatabase opens a service's database and migrates it. It retries until the database is
// available or ctx ends.
func OpenDatabase(ctx context.Context, cfg Config, s Service, log *slog.Logger) (*gorm.DB, error) {
	conn, err := db.OpenMigrated(ctx, db.Config{
		URL: cfg.Database(s.Name), Schema: cfg.SchemaPrefix + s.Name, Pool: cfg.DatabasePool,
		MaxLife: cfg.DatabaseMaxLife, MaxIdle: cfg.DatabaseMaxIdle, Log: log,
	}, s.Name, s.Migrations)
	if errors.Is(err, db.ErrBadURL) || errors.Is(err, db.ErrPooler) || dberr.Of(err) == dberr.Unfit {
		return nil, fmt.Errorf("%s: %w", cfg.databaseVariable(s.Name), err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	return conn, nil
}

// databaseVariable returns the name of the variable with the URL of a service's database.
func (c Config) databaseVariable(service string) string {
	if c.ServiceDatabases[service] != "" {
		return strings.ToUpper(service) + "_DATABASE_URL"
	}
	return "DATABASE_URL"
}
