package sqlitedialect_test

import (
	"strings"
	"testing"

	"gorm.io/gorm/clause"

	"quadrille/internal/platform/db/sqlitedialect"
)

func TestQuotesIdentifiers(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"id":                "`id`",
		"parts.id":          "`parts`.`id`",
		"main.parts.id":     "`main`.`parts`.`id`",
		"order":             "`order`",
		"`parts`.`id`":      "`parts`.`id`",
		"`a.b`.c":           "`a.b`.`c`",
		"a`b":               "`a``b`",
		"`":                 "````",
		"`a` OR 1=1 OR `b`": "```a`` OR 1=1 OR ``b```",
		`a"b`:               "`a\"b`",
		"":                  "``",
	} {
		var got strings.Builder
		sqlitedialect.Dialector{}.QuoteTo(&got, name)
		if got.String() != want {
			t.Errorf("%q is quoted as %s, want %s", name, got.String(), want)
		}
	}
}

// In double quotes SQLite would treat an unknown column as a string, and find every row.
func TestMisspeltColumnIsError(t *testing.T) {
	t.Parallel()
	conn := open(t)
	must(t, conn.Create(&part{Name: "a"}).Error)
	var found []part
	if err := conn.Where(clause.Neq{Column: "stocks", Value: "x"}).Find(&found).Error; err == nil {
		t.Errorf("found %d rows by a column that does not exist", len(found))
	}
}

func TestExplainInsertsArguments(t *testing.T) {
	t.Parallel()
	got := sqlitedialect.Dialector{}.Explain("SELECT ?, ?, ?", 1, "it's", nil)
	if want := "SELECT 1, 'it''s', NULL"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
