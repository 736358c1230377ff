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

// Errors of Place: one of the keys was used before.
var (
	errAnswered = errors.New("a request with this key was completed before")
	errInFlight = errors.New("a request with this key is in progress")
)

// Scopes of idempotency keys. Equal keys in different scopes are independent.
const (
	scopeHeader     = "POST /orders" // the Idempotency-Key header
	scopeExternalID = "external_id"
)

// idempotencyKey identifies a request by its Idempotency-Key header or by the caller's
// external ID of the order.
type idempotencyKey struct{ Scope, Key string }

// reused returns the fault (Invalid) for a key that was used for a different request before.
func (k idempotencyKey) reused() error {
	const code = "idempotency_key_reused"
	if k.Scope == scopeHeader {
		return fault.New(fault.Invalid, code, "the Idempotency-Key %.200q was used for another order before", k.Key).
			With("#/header/Idempotency-Key", "was used for another order before")
	}
	return fault.New(fault.Invalid, code, "the external_id %.200q belongs to another order", k.Key).
		With("/external_id", "belongs to another order")
}

// answerRow is a stored response, written in the transaction of its request.
type answerRow struct {
	Scope       string `gorm:"primaryKey"`
	Key         string `gorm:"primaryKey"`
	Fingerprint string
	Answer      string // the order in the response, as JSON
	CreatedAt   time.Time
}

// TableName implements gorm's Tabler.
func (answerRow) TableName() string { return "idempotency_keys" }

// claim returns the statement that stores o as the response under keys, or none if there
// are no keys.
func claim(keys []idempotencyKey, fingerprint string, o Order, dialect string) ([]db.Statement, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	answer, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("encode response: %w", err)
	}
	s := db.Statement{SQL: "INSERT INTO idempotency_keys (scope, key, fingerprint, answer, created_at) VALUES "}
	for i, k := range keys {
		if i > 0 {
			s.SQL += ", "
		}
		if dialect == "postgres" {
			// While another process handles a request with this key, the fingerprint is NULL
			// and the insert fails at once. Waiting would hold a connection.
			s.SQL += "(?, ?, CASE WHEN pg_try_advisory_xact_lock(hashtextextended(current_schema()::text || ?, 0)) THEN ? END, ?, ?)"
			s.Args = append(s.Args, k.Scope, k.Key, "/"+k.Scope+"/"+k.Key, fingerprint, string(answer), o.PlacedAt)
			continue
		}
		s.SQL += "(?, ?, ?, ?, ?)" // only one process uses a SQLite file; Service.inFlight guards its keys
		s.Args = append(s.Args, k.Scope, k.Key, fingerprint, string(answer), o.PlacedAt)
	}
	return []db.Statement{s}, nil
}

// placed translates the error of the statements of Place.
func placed(err error) error {
	const notNull = "23502" // PostgreSQL's code of a NULL in a NOT NULL column
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

// Answer returns the order stored as the response under one of keys; found is false if
// there is none. A key that was used for a different request gives a fault (Invalid).
func (s *store) Answer(ctx context.Context, keys []idempotencyKey, fingerprint string) (o Order, found bool, err error) {
	for _, k := range keys {
		var rows []answerRow
		err := s.db.WithContext(ctx).Where("scope = ? AND key = ?", k.Scope, k.Key).Limit(1).Find(&rows).Error
		if err != nil {
			return o, false, db.Wrap(err, "find response")
		}
		if len(rows) == 0 {
			continue
		}
		if rows[0].Fingerprint != fingerprint {
			return o, false, k.reused()
		}
		if err := json.Unmarshal([]byte(rows[0].Answer), &o); err != nil {
			return o, false, fmt.Errorf("decode response: %w", err)
		}
		return o, true, nil
	}
	return s.placedBefore(ctx, keys, fingerprint)
}

// placedBefore returns the order with the external ID among keys, as it was placed: stored
// responses are deleted after IDEMPOTENCY_KEEP, the order stays. An order from another request
// gives a fault (Invalid).
func (s *store) placedBefore(ctx context.Context, keys []idempotencyKey, fingerprint string) (o Order, found bool, err error) {
	for _, k := range keys {
		if k.Scope != scopeExternalID {
			continue
		}
		res := s.db.WithContext(ctx).Preload("Lines", inOrder).Where("external_id = ?", k.Key).Limit(1).Find(&o)
		if res.Error != nil || res.RowsAffected == 0 {
			return o, false, db.Wrap(res.Error, "find order by its external ID")
		}
		o = o.asPlaced()
		same, err := o.draft().Fingerprint()
		switch {
		case err != nil:
			return o, false, err
		case same != fingerprint:
			return o, false, k.reused()
		}
		return o, true, nil
	}
	return o, false, nil
}
