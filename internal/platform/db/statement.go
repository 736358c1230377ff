package db

import (
	"context"
	"math/bits"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/gorm"

	"quadrille/pkg/dbtx"
)

// Statement is SQL for both databases. It has a ? for each argument and no other ?.
type Statement struct {
	SQL  string
	Args []any
}

// rowsAtOnce bounds the rows of one INSERT.
const rowsAtOnce = 256

// Insert returns the statements that insert rows, with one value per column. They have 256,
// 128, 64 … rows, so that there are few different statements and the server has them
// prepared.
func Insert(table string, columns []string, rows [][]any) []Statement {
	var all []Statement
	for len(rows) > 0 {
		n := min(1<<(bits.Len(uint(len(rows)))-1), rowsAtOnce)
		s := Statement{SQL: "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES " + places(n, len(columns))}
		for _, row := range rows[:n] {
			s.Args = append(s.Args, row...)
		}
		all, rows = append(all, s), rows[n:]
	}
	return all
}

func places(rows, columns int) string {
	row := "(?" + strings.Repeat(", ?", columns-1) + ")"
	return row + strings.Repeat(", "+row, rows-1)
}

// Commit executes statements in one transaction. On PostgreSQL it sends them together, so
// that they cost one round trip including the commit. A violated key is
// gorm.ErrDuplicatedKey.
func Commit(ctx context.Context, conn *gorm.DB, statements []Statement) error {
	if conn.Name() == "postgres" {
		return commitTogether(ctx, conn, statements)
	}
	return dbtx.Run(conn.WithContext(ctx), func(tx *gorm.DB) error {
		for _, s := range statements {
			if err := tx.Exec(s.SQL, s.Args...).Error; err != nil {
				return err
			}
		}
		return nil
	})
}

// commitTogether sends the statements as one pipeline, which PostgreSQL executes as one
// transaction. After a conflict it sends them again.
func commitTogether(ctx context.Context, db *gorm.DB, statements []Statement) error {
	pool, err := db.DB()
	if err != nil {
		return err
	}
	err = dbtx.Again(ctx, func() error {
		one, err := pool.Conn(ctx)
		if err != nil {
			return err
		}
		defer one.Close() //nolint:errcheck // only gives it back to the pool
		return one.Raw(func(c any) error {
			own := c.(*conn) //nolint:forcetypeassert // the pool was opened by this package
			return own.seen(ctx, carryOut(ctx, Pgx(c), statements))
		})
	})
	if translator, ok := db.Dialector.(gorm.ErrorTranslator); ok && err != nil {
		return translator.Translate(err)
	}
	return err
}

// Pgx returns the pgx connection of a connection from sql.Conn.Raw. Its errors are not
// classified.
func Pgx(driverConn any) *pgx.Conn {
	return driverConn.(*conn).driverConn.(*stdlib.Conn).Conn() //nolint:forcetypeassert // see above
}

func carryOut(ctx context.Context, conn *pgx.Conn, statements []Statement) error {
	batch := &pgx.Batch{}
	for _, s := range statements {
		batch.Queue(numbered(s.SQL), s.Args...)
	}
	results := conn.SendBatch(ctx, batch)
	for range batch.Len() {
		if _, err := results.Exec(); err != nil {
			_ = results.Close() // says the same again
			return err
		}
	}
	return results.Close()
}

// numbered replaces each ? by PostgreSQL's $1, $2 and so on.
func numbered(sql string) string {
	var b strings.Builder
	b.Grow(len(sql) + 2*strings.Count(sql, "?"))
	n := 0
	for {
		before, after, found := strings.Cut(sql, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		n++
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
		sql = after
	}
}
