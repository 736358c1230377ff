package db_test

import (
	"errors"
	"testing"

	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/internal/platform/db/dbtest"
)

func positions(names ...string) (rows [][]any) {
	for _, name := range names {
		rows = append(rows, []any{name, "stream", int64(1), "", db.Now()})
	}
	return rows
}

func insertPositions(rows [][]any) []db.Statement {
	return db.Insert("positions", []string{"subscriber", "stream", "last_offset", "last_id", "updated_at"}, rows)
}

func TestInsertUsesFewKindsOfStatement(t *testing.T) {
	t.Parallel()
	kinds := map[string]bool{}
	for n := range 1000 {
		rows := 0
		for _, s := range db.Insert("t", []string{"a", "b"}, make([][]any, n)) {
			kinds[s.SQL] = true
			rows += (len(s.SQL) - len("INSERT INTO t (a, b) VALUES (?, ?)")) / len(", (?, ?)")
			rows++
		}
		if rows != n {
			t.Fatalf("%d rows given, %d inserted", n, rows)
		}
	}
	if len(kinds) != 9 {
		t.Errorf("there are %d kinds of statement, want one for each power of two to 256", len(kinds))
	}
}

func TestCommitIsAllOrNothing(t *testing.T) {
	dbtest.Each(t, "none", dbtest.NoTables(), func(t *testing.T, conn *gorm.DB) {
		if err := db.Commit(t.Context(), conn, insertPositions(positions("a", "b", "c"))); err != nil {
			t.Fatal(err)
		}
		again := append(insertPositions(positions("d", "e")), insertPositions(positions("a"))...)
		if err := db.Commit(t.Context(), conn, again); !errors.Is(err, gorm.ErrDuplicatedKey) {
			t.Errorf("got %v, want a duplicated key", err)
		}
		// The connection must be usable after the failure.
		if err := db.Commit(t.Context(), conn, insertPositions(positions("f"))); err != nil {
			t.Fatal(err)
		}
		var names []string
		if err := conn.Table("positions").Order("subscriber").Pluck("subscriber", &names).Error; err != nil {
			t.Fatal(err)
		}
		if got := len(names); got != 4 {
			t.Errorf("there are %v", names)
		}
	})
}
