package sales

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"quadrille/internal/platform/db"
	"quadrille/pkg/fault"
)

// What can be in the way of a new order.
var (
	errAnswered = errors.New("the request was answered before")
	errInFlight = errors.New("the request is being worked on")
)

// The scopes of idempotency keys; each has keys of its own.
const (
	scopeHeader     = "POST /orders" // the Idempotency-Key header of that request
	scopeExternalID = "external_id"
)

// idempotencyKey names a request: the Idempotency-Key that came with it, or the
// caller's own ID of the order.
type idempotencyKey struct{ Scope, Key string }

// reused returns the fault of a key that comes with another request than before.
func (k idempotencyKey) reused() error {
	const code = "idempotency_key_reused"
	if k.Scope == scopeHeader {
		return fault.New(fault.Invalid, code, "the Idempotency-Key %.200q came with another order before", k.Key).
			With("#/header/Idempotency-Key", "came with another order before")
	}
	return fault.New(fault.Invalid, code, "the external_id %.200q belongs to another order", k.Key).
		With("/external_id", "belongs to another order")
}

// answerRow is the answer to a request, kept with what it did.
type answerRow struct {
	Scope       string `gorm:"primaryKey"`
	Key         string `gorm:"primaryKey"`
	Fingerprint string
	Answer      string // the order as it was answered, as JSON
	CreatedAt   time.Time
}

// TableName implements gorm's Tabler.
func (answerRow) TableName() string { return "idempotency_keys" }

// claim returns the statement that keeps the answer o under keys; none without keys.
func claim(keys []idempotencyKey, fingerprint string, o Order, dialect string) ([]db.Statement, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	answer, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("keep answer: %w", err)
	}
	s := db.Statement{SQL: "INSERT INTO idempotency_keys (scope, key, fingerprint, answer, created_at) VALUES "}
	for i, k := range keys {
		if i > 0 {
			s.SQL += ", "
		}
		if dialect == "postgres" {
			// Where another process is at it with this key, the fingerprint is NULL and
			// refused, at once: waiting for the other one would hold a connection.
			s.SQL += "(?, ?, CASE WHEN pg_try_advisory_xact_lock(hashtextextended(current_schema()::text || ?, 0)) THEN ? END, ?, ?)"
			s.Args = append(s.Args, k.Scope, k.Key, "/"+k.Scope+"/"+k.Key, fingerprint, string(answer), o.PlacedAt)
			continue
		}
		s.SQL += "(?, ?, ?, ?, ?)" // a file has one process, which knows what it is at
		s.Args = append(s.Args, k.Scope, k.Key, fingerprint, string(answer), o.PlacedAt)
	}
	return []db.Statement{s}, nil
}

// placed tells from the error of a new order what was in its way.
func placed(err error) error {
	const notNull = "23502" // PostgreSQL's code of a NULL where none may be
	var refused *pgconn.PgError
	switch {
	case errors.Is(err, gorm.ErrDuplicatedKey):
		return errAnswered
	case errors.As(err, &refused) && refused.Code == notNull && refused.ColumnName == "fingerprint":
		return errInFlight
	default:
		return db.Wrap(err, "insert order")
	}
}

// Answer returns the order that was answered under one of keys, if there is one. The
// same key with another request is Invalid.
func (s *store) Answer(ctx context.Context, keys []idempotencyKey, fingerprint string) (o Order, found bool, err error) {
	for _, k := range keys {
		var rows []answerRow
		err := s.db.WithContext(ctx).Where("scope = ? AND key = ?", k.Scope, k.Key).Limit(1).Find(&rows).Error
		if err != nil {
			return o, false, db.Wrap(err, "find answer")
		}
		if len(rows) == 0 {
			continue
		}
		if rows[0].Fingerprint != fingerprint {
			return o, false, k.reused()
		}
		if err := json.Unmarshal([]byte(rows[0].Answer), &o); err != nil {
			return o, false, fmt.Errorf("read answer: %w", err)
		}
		return o, true, nil
	}
	return o, false, nil
}
