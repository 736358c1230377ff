package sqlitedialect

import (
	"strings"

	"gorm.io/gorm/clause"
)

// builders returns builders for the clauses that SQLite writes differently from gorm.
func builders() map[string]clause.ClauseBuilder {
	return map[string]clause.ClauseBuilder{
		"LIMIT": buildLimit,
		"FOR":   buildLocking,
	}
}

// buildLimit writes LIMIT and OFFSET. SQLite accepts an OFFSET only after a LIMIT; LIMIT -1
// means no limit.
func buildLimit(c clause.Clause, b clause.Builder) {
	limit, ok := c.Expression.(clause.Limit)
	if ok && limit.Offset > 0 && (limit.Limit == nil || *limit.Limit < 0) {
		_, _ = b.WriteString("LIMIT -1 ")
	}
	c.Build(b)
}

// buildLocking omits FOR UPDATE and FOR SHARE. SQLite has no row locks and needs none: a
// transaction that begins as IMMEDIATE is the only writer.
func buildLocking(c clause.Clause, b clause.Builder) {
	if _, ok := c.Expression.(clause.Locking); !ok {
		c.Build(b)
	}
}

// QuoteTo writes an identifier in backquotes, each part of table.column separately. SQLite
// treats an unknown name in double quotes as a string, so a misspelt column would compare as
// text; in backquotes it is an error.
func (d Dialector) QuoteTo(w clause.Writer, name string) {
	for i, part := range split(name) {
		if i > 0 {
			_ = w.WriteByte('.')
		}
		_, _ = w.WriteString(quoted(part))
	}
}

// quoted returns one identifier in backquotes. It does not change an identifier that is
// already quoted, since gorm also passes quoted names.
func quoted(name string) string {
	if inner, ok := unquoted(name); ok && !strings.Contains(strings.ReplaceAll(inner, "``", ""), "`") {
		return name
	}
	return "`" + strings.ReplaceAll(name, "`", "``") + "`"
}

func unquoted(name string) (inner string, ok bool) {
	if len(name) < 2 || name[0] != '`' || name[len(name)-1] != '`' {
		return "", false
	}
	return name[1 : len(name)-1], true
}

// split cuts a name at the dots outside backquotes.
func split(name string) (parts []string) {
	start, inside := 0, false
	for i := range len(name) {
		switch {
		case name[i] == '`':
			inside = !inside
		case name[i] == '.' && !inside:
			parts, start = append(parts, name[start:i]), i+1
		}
	}
	return append(parts, name[start:])
}
