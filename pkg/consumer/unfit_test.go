package consumer_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/bus"
	"quadrille/pkg/bus/sqlitelog"
	"quadrille/pkg/consumer"
	"quadrille/pkg/deadletter"
)

// Whatever an operator does to the tables, no event is set aside for it: the reader
// waits, says why, and goes on when it is undone.
func TestDatabaseFailuresMakeNoDeadLetter(t *testing.T) {
	onEach(t, func(t *testing.T, conn *gorm.DB, log bus.Bus) {
		faults := map[string][2]string{
			"a table is renamed":    {"ALTER TABLE effects RENAME TO elsewhere", "ALTER TABLE elsewhere RENAME TO effects"},
			"a column is renamed":   {"ALTER TABLE effects RENAME COLUMN n TO m", "ALTER TABLE effects RENAME COLUMN m TO n"},
			"positions are renamed": {"ALTER TABLE positions RENAME TO elsewhere", "ALTER TABLE elsewhere RENAME TO positions"},
		}
		if conn.Name() == "postgres" {
			faults["the schema is renamed"] = renamed(t, conn)
			faults["the key is dropped"] = [2]string{"ALTER TABLE effects DROP CONSTRAINT effects_pkey", "ALTER TABLE effects ADD PRIMARY KEY (id)"}
		}
		r, sent := readPicky(t, conn, log, &picky{}), 0
		for what, fault := range faults {
			tell(t, log, sent, 5)
			sent += 5
			if err := conn.Exec(fault[0]).Error; err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if err := r.RunOnce(t.Context()); err == nil || !consumer.Transient(err) {
					t.Errorf("%s: gives %v", what, err)
				}
			}
			if s := r.Status(t.Context()); s.State != consumer.StateReading && s.Err == "" {
				t.Errorf("%s: the status is %+v", what, s)
			}
			if err := conn.Exec(fault[1]).Error; err != nil {
				t.Fatal(err)
			}
			if err := r.RunOnce(t.Context()); err != nil {
				t.Errorf("%s: when it is undone: %v", what, err)
			}
			once(t, conn, sent)
			if dead := letters(t, conn, deadletter.Open); len(dead) > 0 {
				t.Fatalf("%s: %d letters, the first %+v", what, len(dead), dead[0])
			}
		}
	})
}

func renamed(t *testing.T, conn *gorm.DB) [2]string {
	t.Helper()
	var schema string
	if err := conn.Raw("SELECT current_schema()").Scan(&schema).Error; err != nil {
		t.Fatal(err)
	}
	return [2]string{
		fmt.Sprintf("ALTER SCHEMA %q RENAME TO %q", schema, schema+"_x"),
		fmt.Sprintf("ALTER SCHEMA %q RENAME TO %q", schema+"_x", schema),
	}
}

// The server's words decide between the event and the database, also where the
// consumer's own statement fails with them in Apply.
func TestClassifiesErrorsBySQLState(t *testing.T) {
	t.Parallel()
	for codes, transient := range map[string]bool{
		"42501 42P01 42703 42883 42P10 3F000 3D000 28000 28P01 0A000 26000 42P05 25006 25P03 55P03 57014 40001 40P01 53100 53300 58030 XX000": true,
		"22001 22P02 22003 21000 23502 23503 23505 23514 P0001 54000":                                                                         false,
	} {
		for code := range strings.FieldsSeq(codes) {
			err := fmt.Errorf("apply: keep orders: %w", &pgconn.PgError{Code: code})
			if consumer.Transient(err) != transient {
				t.Errorf("%s is transient: %t", code, !transient)
			}
		}
	}
}

// A right that is taken away for a while is not an event's fault either.
func TestRevokedRightMakesNoDeadLetter(t *testing.T) {
	t.Parallel()
	conn := dbtest.Postgres(t, "tally", effectTables())
	log, err := sqlitelog.Open(sqlitelog.Config{Path: filepath.Join(t.TempDir(), "log.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	role := dbtest.Role(t, conn)
	pool, err := conn.DB()
	if err != nil {
		t.Fatal(err)
	}
	pool.SetMaxOpenConns(1)
	run := func(statement string) {
		t.Helper()
		if err := conn.Exec(statement).Error; err != nil {
			t.Fatal(err)
		}
	}
	run("GRANT ALL ON ALL TABLES IN SCHEMA " + role.Schema + " TO " + role.Name)
	run("GRANT ALL ON ALL SEQUENCES IN SCHEMA " + role.Schema + " TO " + role.Name)
	for i, right := range []string{"INSERT ON effects", "UPDATE ON positions", "SELECT ON effects"} {
		tell(t, log, i*5, 5)
		run("REVOKE " + right + " FROM " + role.Name)
		run("SET ROLE " + role.Name)
		r := readPicky(t, conn, log, &picky{})
		for range 2 {
			if err := r.RunOnce(t.Context()); err == nil || !consumer.Transient(err) {
				t.Errorf("without %s: %v", right, err)
			}
		}
		run("RESET ROLE")
		run("GRANT " + right + " TO " + role.Name)
		run("SET ROLE " + role.Name)
		if err := r.RunOnce(t.Context()); err != nil {
			t.Errorf("with %s again: %v", right, err)
		}
		run("RESET ROLE")
		once(t, conn, 5*(i+1))
	}
	if dead := letters(t, conn, deadletter.Open); len(dead) > 0 {
		t.Errorf("%d letters, the first %+v", len(dead), dead[0])
	}
}
