package dbtest

import (
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gorm.io/gorm"
)

// SameSchema checks that the migrations create the same tables, columns, nullability,
// primary, unique and foreign keys on PostgreSQL and SQLite, and CHECK constraints with the
// same names.
func SameSchema(t *testing.T, service string, own fs.FS) {
	t.Helper()
	lite := sqliteSchema(t, SQLite(t, service, own))
	pg := postgresSchema(t, Postgres(t, service, own))
	if len(lite) < 10 {
		t.Fatalf("found only %d facts about the schema, want 10 or more", len(lite))
	}
	for _, fact := range slices.Sorted(maps.Keys(lite)) {
		if !pg[fact] {
			t.Errorf("only SQLite has %s", fact)
		}
	}
	for _, fact := range slices.Sorted(maps.Keys(pg)) {
		if !lite[fact] {
			t.Errorf("only PostgreSQL has %s", fact)
		}
	}
}

// facts describes a schema, with one line for each column, key and constraint.
type facts map[string]bool

func (f facts) addf(format string, args ...any) { f[fmt.Sprintf(format, args...)] = true }

// ours reports whether a table belongs to neither SQLite nor the migration tool.
func ours(table string) bool {
	return !strings.HasPrefix(table, "schema_") && !strings.HasPrefix(table, "sqlite_")
}

func postgresSchema(t *testing.T, conn *gorm.DB) facts {
	t.Helper()
	found := facts{}
	var columns []struct{ TableName, ColumnName, IsNullable string }
	scan(t, conn, &columns, "SELECT table_name, column_name, is_nullable FROM information_schema.columns WHERE table_schema = current_schema()")
	for _, c := range columns {
		if ours(c.TableName) {
			found.addf("column %s.%s nullable %t", c.TableName, c.ColumnName, c.IsNullable == "YES")
		}
	}
	var constraints []struct{ Tbl, Name, Kind, Columns, Target string }
	scan(t, conn, &constraints, `SELECT c.conrelid::regclass::text AS tbl, c.conname AS name, c.contype::text AS kind,
		(SELECT string_agg(a.attname, ',' ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY AS k(attnum, n)
			JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum) AS columns,
		COALESCE(c.confrelid::regclass::text, '-') AS target
		FROM pg_constraint c WHERE c.connamespace = current_schema()::regnamespace`)
	for _, c := range constraints {
		if !ours(c.Tbl) {
			continue
		}
		switch c.Kind {
		case "p":
			found.addf("primary key %s(%s)", c.Tbl, c.Columns)
		case "u":
			found.addf("unique key %s(%s)", c.Tbl, c.Columns)
		case "f":
			found.addf("foreign key %s(%s) to %s", c.Tbl, c.Columns, c.Target)
		case "c":
			found.addf("check %s", c.Name)
		}
	}
	return found
}

var checkName = regexp.MustCompile(`CONSTRAINT (\w+) CHECK`)

func sqliteSchema(t *testing.T, conn *gorm.DB) facts {
	t.Helper()
	found := facts{}
	var tables []struct{ Name, SQL string }
	scan(t, conn, &tables, "SELECT name, sql AS sql FROM sqlite_master WHERE type = 'table'")
	for _, table := range tables {
		if !ours(table.Name) {
			continue
		}
		for _, m := range checkName.FindAllStringSubmatch(table.SQL, -1) {
			found.addf("check %s", m[1])
		}
		sqliteTable(t, conn, table.Name, found)
	}
	return found
}

func sqliteTable(t *testing.T, conn *gorm.DB, table string, found facts) {
	t.Helper()
	var columns []struct {
		Name        string
		Nonnull, PK int
	}
	scan(t, conn, &columns, "SELECT name, \"notnull\" AS nonnull, pk FROM pragma_table_info(?) ORDER BY pk", table)
	var key []string
	for _, c := range columns {
		found.addf("column %s.%s nullable %t", table, c.Name, c.Nonnull == 0)
		if c.PK > 0 {
			key = append(key, c.Name)
		}
	}
	found.addf("primary key %s(%s)", table, strings.Join(key, ","))
	var unique []struct{ Columns string }
	scan(t, conn, &unique, `SELECT (SELECT group_concat(name, ',') FROM pragma_index_info(l.name)) AS columns
		FROM pragma_index_list(?) AS l WHERE l.origin = 'u'`, table)
	for _, u := range unique {
		found.addf("unique key %s(%s)", table, u.Columns)
	}
	var foreign []struct{ Columns, Target string }
	scan(t, conn, &foreign, `SELECT group_concat("from", ',') AS columns, "table" AS target FROM pragma_foreign_key_list(?) GROUP BY id`, table)
	for _, f := range foreign {
		found.addf("foreign key %s(%s) to %s", table, f.Columns, f.Target)
	}
}

func scan(t *testing.T, conn *gorm.DB, into any, query string, args ...any) {
	t.Helper()
	if err := conn.Raw(query, args...).Scan(into).Error; err != nil {
		t.Fatal(err)
	}
}
