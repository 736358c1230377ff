// Package sqlitedialect makes gorm write SQL for SQLite, with any driver that the caller
// opened. It imports no driver, and so needs no cgo. SQL migrations create the tables; gorm's
// Migrator is not supported.
package sqlitedialect

import (
	"maps"

	"gorm.io/gorm"
	"gorm.io/gorm/callbacks"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
	"gorm.io/gorm/schema"
)

// Dialector implements gorm.Dialector for SQLite 3.35 or newer, since it uses RETURNING. It
// does not translate errors, because their types depend on the driver; the type that embeds
// it does.
type Dialector struct {
	Conn gorm.ConnPool // an open database, usually a *sql.DB
}

// Name returns "sqlite", which also names the folder of the migrations.
func (d Dialector) Name() string { return "sqlite" }

// Initialize registers gorm's callbacks and the clauses that SQLite writes differently.
func (d Dialector) Initialize(db *gorm.DB) error {
	db.ConnPool = d.Conn
	callbacks.RegisterDefaultCallbacks(db, &callbacks.Config{
		CreateClauses: []string{"INSERT", "VALUES", "ON CONFLICT", "RETURNING"},
		UpdateClauses: []string{"UPDATE", "SET", "FROM", "WHERE", "RETURNING"},
		DeleteClauses: []string{"DELETE", "FROM", "WHERE", "RETURNING"},
		// last_insert_rowid() returns the ID of the last row of a batch.
		LastInsertIDReversed: true,
	})
	maps.Copy(db.ClauseBuilders, builders())
	return nil
}

// BindVarTo writes a placeholder. It has no number, since gorm passes arguments in order.
func (d Dialector) BindVarTo(w clause.Writer, _ *gorm.Statement, _ any) {
	_ = w.WriteByte('?') // gorm's writers write to a buffer and never fail
}

// DefaultValueOf returns the value of a column that a row does not set, but other rows of the
// same INSERT do. For an integer primary key it is NULL, for which SQLite assigns a key. For
// any other column it is DEFAULT. SQLite does not accept it among values, so the statement
// fails instead of storing NULL.
func (d Dialector) DefaultValueOf(field *schema.Field) clause.Expression {
	if field.AutoIncrement {
		return clause.Expr{SQL: "NULL"}
	}
	return clause.Expr{SQL: "DEFAULT"}
}

// DataTypeOf returns gorm's name of the type. Only the Migrator uses it.
func (d Dialector) DataTypeOf(field *schema.Field) string { return string(field.DataType) }

// Migrator panics. A table that gorm creates would be missing in databases that the SQL
// migrations created.
func (d Dialector) Migrator(*gorm.DB) gorm.Migrator {
	panic("sqlitedialect: gorm's Migrator is not supported; write an SQL migration in migrations/sqlite and migrations/postgres")
}

// Explain returns a statement with its arguments inserted. It is only for logs.
func (d Dialector) Explain(sql string, vars ...any) string {
	return logger.ExplainSQL(sql, nil, "'", vars...)
}

// SavePoint sets a savepoint. gorm calls it for a nested transaction.
func (d Dialector) SavePoint(tx *gorm.DB, name string) error {
	return tx.Exec("SAVEPOINT " + quoted(name)).Error
}

// RollbackTo undoes everything since the savepoint.
func (d Dialector) RollbackTo(tx *gorm.DB, name string) error {
	return tx.Exec("ROLLBACK TO SAVEPOINT " + quoted(name)).Error
}
