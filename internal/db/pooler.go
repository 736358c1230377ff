package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"quadrille/pkg/dberr"
)

// ErrPooler is wrapped by errors of a connection pooler, such as PgBouncer, whose mode
// the service cannot work with.
var ErrPooler = errors.New("a connection pooler (PgBouncer?) stands before PostgreSQL in a mode that does not fit")

// pooling is how server connections are handed to clients.
type pooling int

const (
	perSession     pooling = iota // a client keeps its server connection; without a pooler, too
	perTransaction                // each transaction may get another server connection
)

// poolingWithin bounds the detection: a session pooler without a second connection to
// give has the client wait.
const poolingWithin = 5 * time.Second

// detectPooling finds out how the server behind cfg hands out connections. A pooler
// gives itself away by the process ID that it announces, which is not the backend's.
// Then a second client opens transactions: in transaction mode it gets the backend of
// the first one, or the first one gets another backend.
func detectPooling(ctx context.Context, cfg *pgx.ConnConfig) (pooling, error) {
	ctx, cancel := context.WithTimeout(ctx, poolingWithin)
	defer cancel()
	one, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return 0, dberr.Mark(ctx, err)
	}
	defer one.Close(ctx) //nolint:errcheck // only looked through
	first, err := backend(ctx, one)
	if err != nil || first == one.PgConn().PID() {
		return perSession, dberr.Mark(ctx, err)
	}
	two, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return 0, dberr.Mark(ctx, err)
	}
	defer two.Close(ctx) //nolint:errcheck // only looked through
	for range 10 {
		if _, err := two.Exec(ctx, "BEGIN", pgx.QueryExecModeSimpleProtocol); err != nil {
			return 0, noTransaction(ctx, err)
		}
		second, secondErr := backend(ctx, two)
		again, againErr := backend(ctx, one)
		_, endErr := two.Exec(ctx, "ROLLBACK", pgx.QueryExecModeSimpleProtocol)
		if err := errors.Join(secondErr, againErr, endErr); err != nil {
			return 0, dberr.Mark(ctx, err)
		}
		if second == first || again != first {
			return perTransaction, nil
		}
	}
	return perSession, nil
}

// noTransaction is the error of a transaction that could not be begun. In statement
// mode none ever can.
func noTransaction(ctx context.Context, err error) error {
	var said *pgconn.PgError
	if errors.As(err, &said) && strings.Contains(said.Message, "statement pooling") {
		return fmt.Errorf("%w: it is in statement mode, which allows no transactions; set pool_mode = session", ErrPooler)
	}
	return dberr.Mark(ctx, fmt.Errorf("begin a transaction through the pooler: %w", err))
}

func backend(ctx context.Context, conn *pgx.Conn) (pid uint32, err error) {
	err = conn.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&pid)
	return pid, err
}

// enterSchema returns what is done on each new connection so that it works in schema,
// and nowhere else. The schema is not a parameter of the connection's start, which
// PgBouncer refuses or drops. In transaction mode nothing can be set for a session:
// the role has to bring the schema along.
func enterSchema(schema, user string, mode pooling) func(context.Context, *pgx.Conn) error {
	const look = "SELECT coalesce(current_schema(), '')"
	// A process that is stopped in the middle of a transaction must not hold its locks
	// for ever. The longest that is idle on purpose is a relay's, while the log confirms.
	const set = "SELECT set_config('search_path', $1, false), set_config('idle_in_transaction_session_timeout', '30s', false)"
	return func(ctx context.Context, conn *pgx.Conn) error {
		if mode == perSession {
			if _, err := conn.Exec(ctx, set, pgx.QueryExecModeSimpleProtocol, pgx.Identifier{schema}.Sanitize()); err != nil {
				return errors.Join(err, conn.Close(ctx))
			}
		}
		var found string
		err := conn.QueryRow(ctx, look, pgx.QueryExecModeSimpleProtocol).Scan(&found)
		if err == nil && found != schema && (found != "" || mode == perTransaction) {
			err = wrongSchema(found, schema, user, mode)
		}
		if err != nil {
			return errors.Join(err, conn.Close(ctx))
		}
		return nil
	}
}

func wrongSchema(found, want, user string, mode pooling) error {
	if mode == perTransaction {
		return fmt.Errorf("%w: in transaction mode the schema cannot be set after connecting, and current_schema() is %q instead of %q; "+
			"give the service a role of its own (CREATE SCHEMA %[4]s AUTHORIZATION role; ALTER ROLE role SET search_path = %[4]s; the role is now %[5]q), or set pool_mode = session",
			ErrPooler, found, want, pgx.Identifier{want}.Sanitize(), user)
	}
	return fmt.Errorf("%w: current_schema() is %q instead of %q although it was set; with PgBouncer, set pool_mode = session", ErrPooler, found, want)
}

// fitExecMode has statements sent in a way that survives a change of the server
// connection: without prepared statements that outlive a transaction.
func fitExecMode(cfg *pgx.ConnConfig, mode pooling) {
	fit := []pgx.QueryExecMode{pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol}
	if mode == perTransaction && !slices.Contains(fit, cfg.DefaultQueryExecMode) {
		cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
}
