package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"gorm.io/gorm"

	"quadrille/internal/db"
)

// OpenDatabase opens a service's database, however long it takes to come up,
// and migrates it.
func OpenDatabase(ctx context.Context, cfg Config, s Service, log *slog.Logger) (*gorm.DB, error) {
	conn, err := db.OpenRetry(ctx, db.Config{
		URL: cfg.Database(s.Name), Schema: cfg.SchemaPrefix + s.Name, Pool: cfg.DatabasePool, Log: log,
	})
	if errors.Is(err, db.ErrBadURL) {
		return nil, fmt.Errorf("%s: %w", cfg.databaseVariable(s.Name), err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	if err := db.Migrate(ctx, conn, s.Name, s.Migrations); err != nil {
		return nil, errors.Join(fmt.Errorf("migrate %s: %w", s.Name, err), db.Close(conn))
	}
	return conn, nil
}

// databaseVariable is the variable that says where a service's database is.
func (c Config) databaseVariable(service string) string {
	if c.ServiceDatabases[service] != "" {
		return strings.ToUpper(service) + "_DATABASE_URL"
	}
	return "DATABASE_URL"
}
