package db

import (
	"context"
	"database/sql/driver"
	"io"
	"reflect"
	"sync/atomic"
	"time"

	"quadrille/pkg/dberr"
	"quadrille/pkg/dbtx"
)

// classifying wraps a driver. It classifies every error of the connections and closes the
// connections that an error has spoiled. It works below database/sql, so that it sees every
// use of the database.
type classifying struct {
	driver.Connector

	// staleBefore is the time, in Unix nanoseconds, before which a connection must have
	// been opened to be dropped instead of being used again.
	staleBefore atomic.Int64
}

// driverConn has the methods that this package requires of a driver's connection. Both
// drivers implement them.
type driverConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
}

// Connect opens a connection.
func (c *classifying) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, dberr.Mark(ctx, err)
	}
	return &conn{driverConn: inner.(driverConn), pool: c, opened: time.Now()}, nil //nolint:forcetypeassert // see driverConn
}

// conn is a connection whose errors are classified. database/sql uses it from one
// goroutine at a time.
type conn struct {
	driverConn

	pool    *classifying
	opened  time.Time
	inTx    bool
	spoiled bool
}

// young is the age up to which a spoiled connection is no evidence against the others: the
// cause affects new connections, too.
const young = time.Second

// seen classifies an error of this connection. After one that spoils it, the connection
// is closed when it comes back to the pool; so are those opened before, which have the
// same server or the same statements, when they are next used.
func (c *conn) seen(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if dberr.Spoils(err) {
		c.spoiled = true
		if time.Since(c.opened) > young {
			c.pool.staleBefore.Store(time.Now().UnixNano())
		}
	}
	return dberr.Mark(ctx, err)
}

// alone runs one statement. Outside a transaction, alone repeats a statement that failed with
// a conflict, since the conflict rolled it back.
func (c *conn) alone(ctx context.Context, do func() error) error {
	if c.inTx {
		return c.seen(ctx, do())
	}
	return dbtx.Again(ctx, func() error { return c.seen(ctx, do()) })
}

// ExecContext implements driver.ExecerContext.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (res driver.Result, err error) {
	err = c.alone(ctx, func() error {
		res, err = c.driverConn.ExecContext(ctx, query, args)
		return err
	})
	return res, err
}

// QueryContext implements driver.QueryerContext.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	var found driver.Rows
	err := c.alone(ctx, func() (err error) {
		found, err = c.driverConn.QueryContext(ctx, query, args)
		return err
	})
	return c.rows(ctx, found, err)
}

func (c *conn) rows(ctx context.Context, found driver.Rows, err error) (driver.Rows, error) {
	if err != nil {
		return nil, err
	}
	return &rows{Rows: found, conn: c, ctx: ctx}, nil
}

// PrepareContext implements driver.ConnPrepareContext.
func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s, err := c.driverConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, c.seen(ctx, err)
	}
	return &stmt{Stmt: s, conn: c}, nil
}

// BeginTx implements driver.ConnBeginTx.
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	t, err := c.driverConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, c.seen(ctx, err)
	}
	c.inTx = true
	return &tx{Tx: t, conn: c, ctx: ctx}, nil
}

// Ping implements driver.Pinger.
func (c *conn) Ping(ctx context.Context) error { return c.seen(ctx, c.driverConn.Ping(ctx)) }

// ResetSession implements driver.SessionResetter: it is called before each further use.
func (c *conn) ResetSession(ctx context.Context) error {
	if c.opened.UnixNano() < c.pool.staleBefore.Load() {
		return driver.ErrBadConn
	}
	return c.seen(ctx, c.driverConn.ResetSession(ctx))
}

// IsValid implements driver.Validator: it is called before a connection goes back to the pool.
func (c *conn) IsValid() bool {
	inner, says := c.driverConn.(driver.Validator)
	return !c.spoiled && (!says || inner.IsValid())
}

// CheckNamedValue implements driver.NamedValueChecker.
func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if inner, checks := c.driverConn.(driver.NamedValueChecker); checks {
		return inner.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

type tx struct {
	driver.Tx

	conn *conn
	ctx  context.Context //nolint:containedctx // Commit has no other
}

// Commit implements driver.Tx.
func (t *tx) Commit() error {
	t.conn.inTx = false
	return t.conn.seen(t.ctx, t.Tx.Commit())
}

// Rollback implements driver.Tx.
func (t *tx) Rollback() error {
	t.conn.inTx = false
	return t.conn.seen(t.ctx, t.Tx.Rollback())
}

type stmt struct {
	driver.Stmt

	conn *conn
}

// ExecContext implements driver.StmtExecContext.
func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (res driver.Result, err error) {
	err = s.conn.alone(ctx, func() error {
		res, err = s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args) //nolint:forcetypeassert // both drivers have it
		return err
	})
	return res, err
}

// QueryContext implements driver.StmtQueryContext.
func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	var found driver.Rows
	err := s.conn.alone(ctx, func() (err error) {
		found, err = s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args) //nolint:forcetypeassert // both drivers have it
		return err
	})
	return s.conn.rows(ctx, found, err)
}

// rows classifies the errors of the driver's rows and passes the column types on.
type rows struct {
	driver.Rows

	conn *conn
	ctx  context.Context //nolint:containedctx // Next has no other
}

// Next implements driver.Rows.
func (r *rows) Next(dest []driver.Value) error {
	err := r.Rows.Next(dest)
	if err == io.EOF { //nolint:errorlint // the end of rows is bare
		return err
	}
	return r.conn.seen(r.ctx, err)
}

// Close implements driver.Rows.
func (r *rows) Close() error { return r.conn.seen(r.ctx, r.Rows.Close()) }

// ColumnTypeDatabaseTypeName implements driver.RowsColumnTypeDatabaseTypeName.
func (r *rows) ColumnTypeDatabaseTypeName(i int) string {
	if inner, knows := r.Rows.(driver.RowsColumnTypeDatabaseTypeName); knows {
		return inner.ColumnTypeDatabaseTypeName(i)
	}
	return ""
}

// ColumnTypeScanType implements driver.RowsColumnTypeScanType.
func (r *rows) ColumnTypeScanType(i int) reflect.Type {
	if inner, knows := r.Rows.(driver.RowsColumnTypeScanType); knows {
		return inner.ColumnTypeScanType(i)
	}
	return reflect.TypeFor[any]()
}
