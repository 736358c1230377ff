// Package sqlitedialect makes gorm write SQL for SQLite, over whatever driver the
// caller opened. It imports no driver, and so brings no C along. Tables come from
// SQL migrations: gorm's Migrator is not supported.
package sqlitedialect

import (
	"maps"

	"gorm.io/gorm"
	"gorm.io/gorm/callbacks"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
	"gorm.io/gorm/schema"
)

// Dialector implements gorm.Dialector for SQLite 3.35 or newer, which knows
// RETURNING. Translating errors is left to the type that embeds it, because error
// types are the driver's.
type Dialector struct {
	Conn gorm.ConnPool // an open database, usually a *sql.DB
}

// Name returns "sqlite", which also names the folder of the migrations.
func (d Dialector) Name() string { return "sqlite" }

// Initialize registers gorm's callbacks and the clauses that SQLite spells its own way.
func (d Dialector) Initialize(db *gorm.DB) error {
	db.ConnPool = d.Conn
	callbacks.RegisterDefaultCallbacks(db, &callbacks.Config{
		CreateClauses: []string{"INSERT", "VALUES", "ON CONFLICT", "RETURNING"},
		UpdateClauses: []string{"UPDATE", "SET", "FROM", "WHERE", "RETURNING"},
		DeleteClauses: []string{"DELETE", "FROM", "WHERE", "RETURNING"},
		// last_insert_rowid() is that of the last row of a batch.
		LastInsertIDReversed: true,
	})
	maps.Copy(db.ClauseBuilders, builders())
	return nil
}

// BindVarTo writes a placeholder. gorm hands arguments over in order, so they need
// no numbers.
func (d Dialector) BindVarTo(w clause.Writer, _ *gorm.Statement, _ any) {
	_ = w.WriteByte('?') // gorm's writers fill a buffer and never fail
}

// DefaultValueOf returns the value for a row that leaves out a column which other
// rows of the same INSERT set. NULL makes SQLite choose an integer primary key.
// SQLite has no DEFAULT among values, so a row cannot ask for another column's
// default: the statement then fails instead of storing NULL.
func (d Dialector) DefaultValueOf(field *schema.Field) clause.Expression {
	if field.AutoIncrement {
		return clause.Expr{SQL: "NULL"}
	}
	return clause.Expr{SQL: "DEFAULT"}
}

// DataTypeOf returns gorm's own name of the type. Only the Migrator asks for it.
func (d Dialector) DataTypeOf(field *schema.Field) string { return string(field.DataType) }

// Migrator panics: a table made by gorm would be missing on every database that was
// migrated before.
func (d Dialector) Migrator(*gorm.DB) gorm.Migrator {
	panic("sqlitedialect: gorm's Migrator is not supported; write an SQL migration in migrations/sqlite and migrations/postgres")
}

// Explain writes a statement with its arguments filled in, for logs only.
func (d Dialector) Explain(sql string, vars ...any) string {
	return logger.ExplainSQL(sql, nil, "'", vars...)
}

// SavePoint sets a savepoint. gorm calls it for a transaction inside a transaction.
func (d Dialector) SavePoint(tx *gorm.DB, name string) error {
	return tx.Exec("SAVEPOINT " + quoted(name)).Error
}

// RollbackTo undoes everything since the savepoint.
func (d Dialector) RollbackTo(tx *gorm.DB, name string) error {
	return tx.Exec("ROLLBACK TO SAVEPOINT " + quoted(name)).Error
}
