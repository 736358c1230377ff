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

// ErrPooler is wrapped by the errors of a connection pooler, such as PgBouncer, in a mode
// that the service does not support. Its kind is dberr.Unfit.
var ErrPooler error = poolerError("the connection pooler (PgBouncer?) in front of PostgreSQL has an unsupported mode")

type poolerError string

// Error returns the text.
func (e poolerError) Error() string { return string(e) }

// Is matches dberr.ErrUnfit, so that events do not fail because of a pooler that was added
// later.
func (e poolerError) Is(target error) bool { return target == dberr.ErrUnfit }

// pooling is the mode in which server connections are assigned to clients.
type pooling int

const (
	noPooler       pooling = iota // clients reach the server itself
	perSession                    // a client keeps its server connection
	perTransaction                // each transaction may get another server connection
)

// errPooled is the error of a connection that should reach the server directly and reaches a
// pooler.
var errPooled = errors.New("a connection pooler answers")

// poolingWithin bounds the detection: a session pooler without a second free connection makes
// the client wait.
const poolingWithin = 5 * time.Second

// detectPooling detects the mode of the pooler behind cfg. A second client opens
// transactions: in transaction mode it gets the backend of the first client, or the first one
// gets another backend.
func detectPooling(ctx context.Context, cfg *pgx.ConnConfig) (pooling, error) {
	ctx, cancel := context.WithTimeout(ctx, poolingWithin)
	defer cancel()
	one, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return 0, dberr.Mark(ctx, err)
	}
	defer one.Close(ctx) //nolint:errcheck // only looked through
	first, err := backend(ctx, one)
	if err != nil {
		return 0, dberr.Mark(ctx, err)
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

// noTransaction returns the error of a transaction that did not start. In statement mode no
// transaction can start.
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

// enterSchema returns the hook that makes each new connection use schema and no other. It
// does not pass the schema as a startup parameter, which PgBouncer refuses or drops. In
// transaction mode no session setting is possible, so the role must have the schema in its
// search_path. The hook takes at most within: a pooler accepts clients whose statements then
// wait for a server connection.
func enterSchema(schema, user string, mode pooling, within time.Duration) func(context.Context, *pgx.Conn) error {
	const look = "SELECT '', '', coalesce(current_schema(), '')"
	// A process that is stopped in the middle of a transaction must not keep its locks. The
	// longest intended idle time is a relay's, while the log confirms events.
	const set = "SELECT set_config('search_path', $1, false), set_config('idle_in_transaction_session_timeout', '30s', false), coalesce(current_schema(), '')"
	return func(caller context.Context, conn *pgx.Conn) error {
		ctx, cancel := context.WithTimeout(caller, within)
		defer cancel()
		var found, path, timeout string
		var err error
		if mode == noPooler {
			err = reached(ctx, conn)
		}
		query, args := set, []any{pgx.QueryExecModeSimpleProtocol, pgx.Identifier{schema}.Sanitize()}
		if mode == perTransaction {
			query, args = look, args[:1]
		}
		if err == nil {
			err = conn.QueryRow(ctx, query, args...).Scan(&path, &timeout, &found)
		}
		if err == nil && found != schema && (found != "" || mode == perTransaction) {
			err = wrongSchema(found, schema, user, mode)
		}
		if err != nil && ctx.Err() != nil && caller.Err() == nil {
			err = fmt.Errorf("no server connection within %s (all that the server or its pooler allows may be in use): %w", within, err)
		}
		if err != nil {
			return errors.Join(err, conn.Close(ctx))
		}
		return nil
	}
}

// reached returns errPooled if conn leads to a pooler, which announces another process ID
// than the backend's.
func reached(ctx context.Context, conn *pgx.Conn) error {
	pid, err := backend(ctx, conn)
	if err == nil && pid != conn.PgConn().PID() {
		return fmt.Errorf("%w: %w", dberr.ErrUnavailable, errPooled)
	}
	return err
}

func wrongSchema(found, want, user string, mode pooling) error {
	if mode == perTransaction {
		return fmt.Errorf("%w: in transaction mode the schema cannot be set after connecting, and current_schema() is %q instead of %q; "+
			"give the service a role of its own (CREATE SCHEMA %[4]s AUTHORIZATION role; ALTER ROLE role SET search_path = %[4]s; the role is now %[5]q), or set pool_mode = session",
			ErrPooler, found, want, pgx.Identifier{want}.Sanitize(), user)
	}
	if found == "" {
		return fmt.Errorf("%w: the role %q may not use the schema %s; GRANT USAGE, CREATE ON SCHEMA %[3]s TO it, or make it the owner",
			dberr.ErrUnfit, user, pgx.Identifier{want}.Sanitize())
	}
	return fmt.Errorf("%w: current_schema() is %q instead of %q although it was set; with PgBouncer, set pool_mode = session", ErrPooler, found, want)
}

// fitExecMode selects an exec mode that works although the server connection may change: one
// without prepared statements that outlive a transaction.
func fitExecMode(cfg *pgx.ConnConfig, mode pooling) {
	fit := []pgx.QueryExecMode{pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol}
	if mode == perTransaction && !slices.Contains(fit, cfg.DefaultQueryExecMode) {
		cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
}
